/* Numbers of 128 bits, what arm64 has for long double: software on both sides. quad STEPS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __aarch64__
typedef long double quad;
#else
typedef __float128 quad;
#endif

static void show(const char *name, quad x)
{
    unsigned long long words[2];
    memcpy(words, &x, sizeof words);
    printf("%s %016llx%016llx\n", name, words[1], words[0]);
}

int main(int argc, char **argv)
{
    int steps = argc > 1 ? atoi(argv[1]) : 1;
    quad harmonic = 0, e = 1, term = 1, root = 2, pi = 0;
    for (int i = 1; i <= steps; i++) {
        harmonic += (quad)1 / i;
        term /= i % 40 + 1;
        e += term;
        root = (root + (quad)(i % 100 + 2) / root) / 2;
        pi += (quad)(i & 1 ? 4 : -4) / (2 * i - 1);
        if (harmonic > 100 || pi < 0)
            return 1;
    }
    show("harmonic", harmonic), show("e", e), show("root", root), show("pi", pi);
    printf("%d %.15g\n", (int)(harmonic * 1000), (double)pi);
    return 0;
}
