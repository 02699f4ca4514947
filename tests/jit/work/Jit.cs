// Work for Mono's compiler.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;

class Jit {
    interface IShape { double Area(); }
    struct Square : IShape { public double A; public double Area() { return A * A; } }
    class Circle : IShape { public double R; public double Area() { return 3 * R * R; } }
    static double Shapes() { double s = 0; for (int k = 1; k < 3; k++) for (int i = 0; i < 100000; i++) { IShape x = i % k == 0 ? (IShape)new Square { A = i } : new Circle { R = i }; s += x.Area(); } return s; }
    static int Length(string s) { try { return s.Length; } catch (NullReferenceException) { return -7; } }
    static int Errors() {
        int c = 0; int[] a = new int[10];
        for (int i = 0; i < 10000; i++) try { switch (i % 4) { case 0: a[i % 13]++; break; case 1: c += 10 / (i % 3); break; case 2: c += Length(i % 6 == 0 ? null : "abc"); break; default: if (i % 7 == 0) throw new InvalidOperationException("x" + i); break; } }
            catch (IndexOutOfRangeException) { c++; } catch (DivideByZeroException) { c += 2; } catch (InvalidOperationException e) { c += e.Message.Length; }
        return c + a.Sum();
    }
    static long Threads() {
        long sum = 0; object l = new object(); var d = new Dictionary<int, int>();
        var ts = Enumerable.Range(0, 8).Select(t => new Thread(() => { for (int i = 0; i < 5000; i++) { Interlocked.Add(ref sum, i); lock (l) { int v; d.TryGetValue(i % 97, out v); d[i % 97] = v + t; } } })).ToList();
        ts.ForEach(t => t.Start()); ts.ForEach(t => t.Join());
        return sum + d.Values.Sum();
    }
    static string Text() {
        var b = new StringBuilder(); for (int i = 0; i < 5000; i++) b.Append(((uint)(i * 2654435761u)).ToString("x")).Append(i % 9 == 0 ? '\n' : ' ');
        return Regex.Matches(b.ToString(), @"\b([a-f]+)(\d+)\b").Count + " " + Regex.Replace(b.ToString(), @"([a-f])(\d)", m => m.Groups[2].Value + m.Groups[1].Value.ToUpper()).Sum(c => c * 31L);
    }
    static IEnumerable<int> Gen(int n) { for (int i = 0; i < n; i++) yield return i * i; }
    static double Loops() { double f = 0.5; int x = 0; for (int i = 1; i < 300000; i++) { f = Math.Sqrt(f * f + 1.0 / i); x = x * 31 + i; } return Math.Round(f * 1e9) + x; }
    static void Main() {
        for (int i = 0; i < 2; i++) {
            Console.WriteLine("shapes " + Shapes().ToString("R")); Console.WriteLine("errors " + Errors()); Console.WriteLine("threads " + Threads()); Console.WriteLine("text " + Text());
            Console.WriteLine("gen " + Gen(50000).Where(x => x % 3 == 1).Sum(x => (long)x)); Console.WriteLine("loops " + Loops().ToString("R"));
            Console.WriteLine("sort " + string.Join(",", Enumerable.Range(0, 5000).Select(k => k * 7919 % 5003).OrderBy(k => k % 100).ThenByDescending(k => k).Take(9)));
        }
    }
}
