# limit: 600
# COPY BuildX.java; RUN javac BuildX.java; CMD ["java", "BuildX"], as an image's build does it: the compiler's process, and then the program's, as one and as two.
cp /srv/java/BuildX.java . && javac BuildX.java; echo "javac $?"
ls | sort
java BuildX; echo "java $?"
java -XX:TieredStopAtLevel=1 BuildX a b; echo "java $?"
java BuildX.java a >one 2>err; echo "source $?"; tail -n 3 one
jar cfe x.jar BuildX BuildX*.class && java -jar x.jar a b c | cksum
echo 'class Bad { int f() { return "x"; } }' >Bad.java; javac Bad.java 2>&1; echo "javac $?"
