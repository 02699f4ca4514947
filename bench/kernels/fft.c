/* Fast Fourier transforms of complex doubles, forth and back. fft ROUNDS */
#include <stdio.h>
#include <stdlib.h>

#define BITS 14
#define N (1 << BITS)

struct number {
    double re, im;
};

static struct number data[N], twiddles[N / 2];

static void transform(int sign)
{
    for (unsigned i = 0, j = 0; i < N; i++) {
        if (i < j) {
            struct number t = data[i];
            data[i] = data[j];
            data[j] = t;
        }
        for (unsigned bit = N >> 1; (j ^= bit) < bit; bit >>= 1)
            ;
    }
    for (unsigned half = 1; half < N; half *= 2)
        for (unsigned start = 0; start < N; start += 2 * half)
            for (unsigned k = 0; k < half; k++) {
                struct number w = twiddles[k * (N / 2 / half)], *a = &data[start + k], *b = a + half;
                double im = sign * w.im;
                double re = b->re * w.re - b->im * im, other = b->re * im + b->im * w.re;
                b->re = a->re - re;
                b->im = a->im - other;
                a->re += re;
                a->im += other;
            }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 1;
    for (int i = 0; i < N; i++)
        data[i] = (struct number){(i * 7919 % 1000) / 1000.0, (i % 13) / 13.0};
    /* By rotation: a library's sine may differ between machines in the last place. */
    double x = 1, y = 0;
    for (int i = 0; i < N / 2; i++) {
        const double c = 0.99999992646571789, s = 0.00038349518757139556;
        twiddles[i] = (struct number){x, y};
        double next = x * c - y * s;
        y = x * s + y * c;
        x = next;
    }
    for (int r = 0; r < rounds; r++) {
        transform(1);
        transform(-1);
        for (int i = 0; i < N; i++) {
            data[i].re /= N;
            data[i].im /= N;
        }
    }
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += data[i].re * (i % 7) + data[i].im;
    printf("%.6f\n", sum);
    return 0;
}
