import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;

/** What an image's author compiles in one layer and runs as its command. */
public class BuildX {
    record Word(String text, long count) {}

    static List<Word> words(String text) {
        return Arrays.stream(text.split("\\W+")).collect(Collectors.groupingBy(w -> w, TreeMap::new, Collectors.counting()))
            .entrySet().stream().map(e -> new Word(e.getKey(), e.getValue())).toList();
    }

    public static void main(String[] args) throws Exception {
        System.out.println("hello from " + System.getProperty("os.arch").replaceAll("amd64|aarch64", "here"));
        System.out.println(words("to be or not to be"));
        try (var pool = Executors.newFixedThreadPool(4)) {
            var sums = new ArrayList<Future<Long>>();
            for (int n = 0; n < 16; n++) {
                final int from = n;
                sums.add(pool.submit(() -> LongStream.range(0, 200_000).map(i -> (i ^ from) % 1009).sum()));
            }
            long total = 0;
            for (var s : sums) total += s.get();
            System.out.println("sum " + total);
        }
        var child = new ProcessBuilder("/bin/sh", "-c", "read x; echo child $x; exit 3").redirectErrorStream(true).start();
        child.getOutputStream().write("of java\n".getBytes());
        child.getOutputStream().close();
        System.out.print(new String(child.getInputStream().readAllBytes()));
        System.out.println("status " + child.waitFor());
        try {
            Object[] o = new Integer[1];
            o[0] = "x";
        } catch (ArrayStoreException e) {
            System.out.println(e);
        }
        System.exit(args.length);
    }
}
