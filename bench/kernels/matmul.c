/* Product of two float matrices, inner loop vectorised by the compiler. matmul REPEATS */
#include <stdio.h>
#include <stdlib.h>

enum { N = 256 };
static float a[N][N], b[N][N], c[N][N];

int main(int argc, char **argv)
{
    long repeats = argc > 1 ? atol(argv[1]) : 1;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (float)((i * 7 + j * 3) % 17) / 16.0f;
            b[i][j] = (float)((i * 5 + j * 11) % 13) / 8.0f - 0.5f;
        }
    for (long r = 0; r < repeats; r++)
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++) {
                float x = a[i][k];
                for (int j = 0; j < N; j++)
                    c[i][j] += x * b[k][j];
            }
    double sum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            sum += c[i][j] * ((i ^ j) & 7);
    printf("%.6f\n", sum);
    return 0;
}
