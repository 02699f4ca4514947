// Work for a Java VM's compilers, with results that don't depend on the machine. Arguments: how often (default 1).
import java.math.BigInteger;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;

public class Jit {
    interface Shape { double area(); }
    record Square(double a) implements Shape { public double area() { return a * a; } }
    record Circle(double r) implements Shape { public double area() { return 3 * r * r; } }
    record Strip(double w, double h) implements Shape { public double area() { return w * h; } }
    static class Node { Node next; int value; Node(int v, Node n) { value = v; next = n; } }

    // A call site that is monomorphic, then polymorphic, then megamorphic: compiled code is thrown away twice.
    static double areas(Shape[] s) { double sum = 0; for (Shape x : s) sum += x.area(); return sum; }
    static double shapes() {
        double total = 0;
        for (int kinds = 1; kinds <= 3; kinds++) {
            Shape[] s = new Shape[999];
            for (int i = 0; i < s.length; i++)
                s[i] = switch (i % kinds) { case 0 -> new Square(i); case 1 -> new Circle(i); default -> new Strip(i, 2); };
            for (int i = 0; i < 300; i++) total += areas(s);
        }
        return total;
    }

    // Null checks by fault: never null while it warms up, then often.
    static int length(Node n) { int k = 0; try { while (true) { k += n.value; n = n.next; } } catch (NullPointerException e) { return k; } }
    static int nulls() {
        int sum = 0;
        for (int i = 0; i < 20000; i++) sum += length(i % 5 == 0 && i > 15000 ? null : new Node(1, new Node(2, new Node(i & 3, null))));
        return sum;
    }
    static int exceptions() {
        int[] a = new int[10];
        int caught = 0;
        Object o = "text";
        for (int i = 0; i < 20000; i++) {
            try {
                switch (i % 4) {
                    case 0 -> a[i % 13]++;
                    case 1 -> a[0] = 100 / (i % 3);
                    case 2 -> { Integer x = (Integer) (i % 6 == 0 ? o : (Object) i); a[1] += x & 1; }
                    default -> { if (i % 7 == 0) throw new IllegalStateException("x" + i); }
                }
            } catch (ArrayIndexOutOfBoundsException | ArithmeticException | ClassCastException e) { caught++; }
            catch (IllegalStateException e) { caught += e.getMessage().length(); }
        }
        return caught + Arrays.stream(a).sum();
    }
    static int depth(int n) { return depth(n + 1) + 1; }
    static int overflows() {
        int times = 0;
        for (int i = 0; i < 4; i++) try { depth(0); } catch (StackOverflowError e) { times++; }
        return times;
    }

    // Loops that become vectors.
    static long vectors() {
        int n = 4099;
        int[] a = new int[n], b = new int[n], c = new int[n];
        float[] f = new float[n]; double[] d = new double[n]; byte[] y = new byte[n]; long[] l = new long[n];
        for (int i = 0; i < n; i++) { a[i] = i * 7919; b[i] = i ^ 0x55; f[i] = i * 0.5f; d[i] = i * 0.25; y[i] = (byte) (i * 31); l[i] = i * 0x9e3779b97f4a7c15L; }
        long sum = 0;
        for (int r = 0; r < 300; r++) {
            for (int i = 0; i < n; i++) c[i] = a[i] * b[i] + (a[i] >>> 3) - Math.min(a[i], b[i]);
            for (int i = 0; i < n; i++) f[i] = f[i] * 1.5f + 0.25f > 1e6f ? 1f : f[i] * 1.5f + 0.25f;
            for (int i = 0; i < n; i++) d[i] = Math.sqrt(d[i] * d[i] + 1);
            for (int i = 0; i < n; i++) y[i] += (byte) (y[i] >> 1);
            for (int i = 0; i < n; i++) l[i] = (l[i] ^ l[i] >>> 29) * 3 + Long.bitCount(l[i]);
            for (int i = 0; i < n; i++) sum += c[i];
            System.arraycopy(c, 1, a, 0, n - 1);
        }
        return sum + Arrays.hashCode(a) + Arrays.hashCode(f) + Arrays.hashCode(d) + Arrays.hashCode(y) + Arrays.hashCode(l);
    }

    static int count;
    static synchronized void bump() { count++; }
    static long threads() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        ConcurrentHashMap<Integer, Integer> map = new ConcurrentHashMap<>();
        AtomicLong atomic = new AtomicLong();
        LongAdder adder = new LongAdder();
        Object lock = new Object();
        int[] guarded = new int[1];
        count = 0;
        List<Future<Integer>> all = new ArrayList<>();
        for (int t = 0; t < 16; t++) {
            int me = t;
            all.add(pool.submit(() -> {
                for (int i = 0; i < 4000; i++) {
                    bump();
                    atomic.addAndGet(i);
                    adder.increment();
                    map.merge(i % 97, 1, Integer::sum);
                    synchronized (lock) { guarded[0] += me; if (i % 512 == 0) lock.notifyAll(); }
                }
                return me;
            }));
        }
        long sum = 0;
        for (Future<Integer> f : all) sum += f.get();
        BlockingQueue<Integer> queue = new ArrayBlockingQueue<>(4);
        Future<Long> consumer = pool.submit(() -> { long s = 0; for (int v; (v = queue.take()) >= 0; ) s += v; return s; });
        for (int i = 0; i < 5000; i++) queue.put(i);
        queue.put(-1);
        sum += consumer.get();
        CyclicBarrier barrier = new CyclicBarrier(4);
        CountDownLatch done = new CountDownLatch(4);
        for (int t = 0; t < 4; t++) pool.execute(() -> { try { for (int i = 0; i < 100; i++) barrier.await(); } catch (Exception e) { atomic.set(-1); } done.countDown(); });
        done.await();
        pool.shutdown();
        long parallel = IntStream.range(0, 200000).parallel().filter(i -> i % 3 == 0).mapToLong(i -> i * (long) i).sum();
        return sum + count + atomic.get() + adder.sum() + map.values().stream().mapToInt(i -> i).sum() + guarded[0] + parallel;
    }
    static int virtualThreads() throws Exception {
        AtomicInteger n = new AtomicInteger();
        try (var e = Executors.newVirtualThreadPerTaskExecutor()) { for (int i = 0; i < 2000; i++) e.submit(() -> { Thread.sleep(1); return n.incrementAndGet(); }); }
        return n.get();
    }

    static String text() {
        StringBuilder b = new StringBuilder();
        for (int i = 0; i < 3000; i++) b.append(Integer.toHexString(i * 7919)).append(i % 10 == 0 ? "\n" : ",").append((char) ('à' + i % 20));
        Matcher m = Pattern.compile("([0-9a-f]+),(\\p{L})([0-9]{2,})").matcher(b);
        int found = 0, len = 0;
        while (m.find()) { found++; len += m.group(1).length() + m.group(3).length(); }
        return found + " " + len + " " + b.toString().lines().sorted().collect(Collectors.joining("|")).hashCode() + " " + String.format("%08x %.6e", b.toString().hashCode(), 12345.678);
    }
    static long collections() {
        Map<String, List<Integer>> map = new TreeMap<>();
        for (int i = 0; i < 40000; i++) map.computeIfAbsent("k" + i * 31 % 501, k -> new ArrayList<>()).add(i);
        PriorityQueue<Long> queue = new PriorityQueue<>(Comparator.reverseOrder());
        for (int i = 0; i < 40000; i++) { queue.add(i * 2654435761L % 100003); if (i % 3 == 0) queue.poll(); }
        long h = 0;
        while (!queue.isEmpty()) h = h * 31 + queue.poll();
        for (var e : map.entrySet()) h = h * 7 + e.getKey().hashCode() + e.getValue().stream().mapToInt(i -> i).sum();
        Function<Integer, Integer> f = x -> x;
        for (int i = 0; i < 50; i++) { int k = i; f = f.andThen(x -> x * 3 + k); }
        for (int i = 0; i < 2000; i++) h += f.apply(i);
        return h;
    }
    // Many small classes, loaded and thrown away: code memory is reused.
    static int classes() throws Throwable {
        int sum = 0;
        for (int i = 0; i < 300; i++) {
            int k = i;
            IntUnaryOperator[] ops = {x -> x + k, x -> x * k, x -> x ^ k};
            for (IntUnaryOperator op : ops) for (int j = 0; j < 200; j++) sum += op.applyAsInt(j);
            Object proxy = java.lang.reflect.Proxy.newProxyInstance(Jit.class.getClassLoader(), new Class<?>[] {IntSupplier.class}, (p, m, a) -> k);
            sum += ((IntSupplier) proxy).getAsInt();
            var handle = java.lang.invoke.MethodHandles.lookup().findStatic(Math.class, "max", java.lang.invoke.MethodType.methodType(int.class, int.class, int.class));
            sum += (int) java.lang.invoke.MethodHandles.insertArguments(handle, 0, i).invokeWithArguments(150);
        }
        return sum;
    }
    static String numbers() {
        BigInteger p = BigInteger.TWO.pow(521).subtract(BigInteger.ONE), x = BigInteger.valueOf(3);
        for (int i = 0; i < 200; i++) x = x.multiply(x).add(BigInteger.valueOf(i)).mod(p);
        double d = 0;
        for (int i = 1; i < 20000; i++) d += StrictMath.sin(i) / i + Math.fma(i, 0.5, d) * 1e-9 + (double) (float) (1.0 / i) + (int) (i * 1.7) + Math.round(i * 0.3);
        return x.toString(36).hashCode() + " " + Double.toHexString(d) + " " + (int) Double.NaN + " " + (long) 1e30 + " " + (int) -1e30f;
    }
    static int garbage() {
        Object[] keep = new Object[1000];
        int h = 0;
        for (int i = 0; i < 400000; i++) { byte[] b = new byte[i % 257]; keep[i % 1000] = b; h += b.length; }
        return h + ((byte[]) keep[77]).length;
    }

    public static void main(String[] args) throws Throwable {
        int times = args.length > 0 ? Integer.parseInt(args[0]) : 1;
        for (int i = 0; i < times; i++) {
            System.out.println("shapes " + shapes());
            System.out.println("nulls " + nulls());
            System.out.println("exceptions " + exceptions());
            System.out.println("overflows " + overflows());
            System.out.println("vectors " + vectors());
            System.out.println("threads " + threads());
            System.out.println("virtual threads " + virtualThreads());
            System.out.println("text " + text());
            System.out.println("collections " + collections());
            System.out.println("classes " + classes());
            System.out.println("numbers " + numbers());
            System.out.println("garbage " + garbage());
        }
    }
}
