# gcc -O2 on 2,000 generated lines, the result's output, and shared and static linking.
awk 'BEGIN {
    srand(1); print "#include <stdio.h>\n#include <stdint.h>\n#include <string.h>\n#include <math.h>\n#include <stdlib.h>"
    for (i = 0; i < 220; i++) {
        printf "static uint32_t f%d(uint32_t x, double *d)\n{\n", i
        printf "    uint32_t a[16], y = x;\n    for (int i = 0; i < 16; i++)\n        a[i] = x * %du + (uint32_t)i;\n", 2 * int(rand() * 1e9) + 1
        printf "    for (int i = 0; i < 16; i++)\n        y = (y << %d | y >> %d) ^ a[(i * %d) & 15];\n", i % 31 + 1, 31 - i % 31, i
        print  (i % 3 == 0) ? "    *d += sqrt(fabs(*d) + y % 1000) * 0.5;\n    return y;\n}" : ((i % 3 == 1) ? "    *d = fma(*d, 0.75, y % 77);\n    return y % (x | 1) + x / ((y & 7) + 1);\n}" : "    *d -= (float)(y >> 9) / 3.0f;\n    return y * (uint32_t)__builtin_popcount(x);\n}")
    }
    print "static uint32_t (*const table[])(uint32_t, double *) = {"; for (i = 0; i < 220; i++) printf "    f%d,\n", i; print "};"
    print "static int less(const void *a, const void *b)\n{\n    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;\n    return x < y ? -1 : x > y;\n}"
    print "int main(void)\n{\n    uint32_t v[220], x = 1, s = 0;\n    double d = 1;\n    for (int r = 0; r < 2000; r++)\n        for (int i = 0; i < 220; i++)\n            v[i] = x = table[i](x + (uint32_t)r, &d);"
    print "    qsort(v, 220, sizeof *v, less);\n    for (int i = 0; i < 220; i++)\n        s = s * 31 + v[i];\n    printf(\"%u %u %.17g\\n\", x, s, d);\n    return 0;\n}"
}' >gen.c
wc -l <gen.c | awk '{print ($1 >= 2000) ? "2000 lines" : "only " $1}'
# -ffp-contract=off: what the compiler fuses by itself differs between the architectures.
gcc -O2 -Wall -ffp-contract=off -o gen gen.c -lm && ./gen
gcc -O0 -g -ffp-contract=off -o gen0 gen.c -lm && ./gen0
gcc -O3 -flto -ffp-contract=off -static -o gen3 gen.c -lm && ./gen3
printf 'int twice(int x) { return 2 * x; }\n' >lib.c; printf '#include <stdio.h>\nint twice(int);\nint main(void) { printf("%%d\\n", twice(21)); }\n' >main.c
gcc -O2 -fPIC -shared -o libtwice.so lib.c && gcc -O2 -o main main.c -L. -ltwice -Wl,-rpath,. && ./main
gcc -c -O2 lib.c main.c && ar rcs libt.a lib.o && gcc -o main2 main.o libt.a && ./main2 && strip main2 && ./main2
echo 'int main(void) { return x; }' >bad.c; gcc bad.c 2>errors; echo "bad: $?"; head -n 2 errors
echo 'int main(void) { undefined(); }' | gcc -w -xc - -o u 2>/dev/null; echo "unlinked: $?"
gcc -E -dM -xc /dev/null | grep -cE '__(aarch64|x86_64)__ 1'
