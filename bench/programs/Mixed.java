import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Collections, streams, strings, arrays and virtual calls, long enough for both of HotSpot's compilers. */
public class Mixed {
    interface Shape { double area(); }
    record Circle(double r) implements Shape { public double area() { return 3 * r * r; } }
    record Box(double a, double b) implements Shape { public double area() { return a * b; } }
    record Line(double a) implements Shape { public double area() { return 0; } }

    static int state = 12345;
    static int random(int n) {
        state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
        return Math.floorMod(state, n);
    }

    static long sieve(int n) {
        boolean[] composite = new boolean[n];
        long count = 0;
        for (int i = 2; i < n; i++) {
            if (composite[i]) continue;
            count++;
            for (int j = 2 * i; j < n; j += i) composite[j] = true;
        }
        return count;
    }

    static double matrix(int n) {
        double[][] a = new double[n][n], b = new double[n][n], c = new double[n][n];
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) { a[i][j] = (i + j) % 7; b[i][j] = (i * j) % 5; }
        for (int i = 0; i < n; i++)
            for (int k = 0; k < n; k++)
                for (int j = 0; j < n; j++) c[i][j] += a[i][k] * b[k][j];
        return Arrays.stream(c).flatMapToDouble(Arrays::stream).sum();
    }

    public static void main(String[] args) {
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : 1;
        for (int round = 0; round < rounds; round++) {
            Map<String, Integer> counts = new HashMap<>();
            for (int i = 0; i < 400000; i++) counts.merge("k" + random(5000), 1, Integer::sum);
            List<Map.Entry<String, Integer>> sorted = new ArrayList<>(counts.entrySet());
            sorted.sort(Map.Entry.<String, Integer>comparingByValue().reversed().thenComparing(Map.Entry.comparingByKey()));
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < 200000; i++) text.append(Integer.toHexString(random(65536))).append(' ');
            String joined = Arrays.stream(text.toString().split(" ")).filter(s -> s.length() == 3).sorted().limit(3).collect(Collectors.joining(","));
            Shape[] shapes = new Shape[300000];
            for (int i = 0; i < shapes.length; i++)
                shapes[i] = switch (random(3)) { case 0 -> new Circle(i % 10); case 1 -> new Box(i % 7, i % 3); default -> new Line(i); };
            double area = 0;
            for (int k = 0; k < 20; k++) for (Shape s : shapes) area += s.area();
            System.out.println(sorted.get(0).getKey() + " " + counts.size() + " " + joined + " " + (long) area + " " + sieve(4000000) + " " + (long) matrix(300));
        }
    }
}
