# OpenJDK: the version; the compiler; what it compiled, with and without the JIT compilers.
java -version 2>&1; javac -version
cp /tmp/work/Jit.java . && javac -d j Jit.java && find j -name '*.class' | sort | xargs cat | sha256sum
java -Xshare:auto -cp j Jit 1; java -Xint -cp j Jit 1 | sha256sum; java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp j Jit 1 | sha256sum
cat >H.java <<X
public class H { public static void main(String[] a) throws Exception { System.out.println("hello " + System.getProperty("os.arch") + " " + String.join(",", a)); System.exit(a.length); } }
X
java H.java a b; echo "status $?"; J=$(dirname "$(readlink -f "$(command -v javac)")")/jar; $J --create --file h.jar -C j . && $J tf h.jar | wc -l
