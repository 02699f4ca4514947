/* Whole numbers, four ways: a sieve, a hash table, a recursive quicksort through a comparison pointer, and a bit-by-bit
 * checksum. integer REPEATS */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIEVE = 1 << 18, SLOTS = 1 << 15, ITEMS = 1 << 14 };
static unsigned char composite[SIEVE];
static uint64_t keys[SLOTS];
static uint32_t values[SLOTS], items[ITEMS];

static uint64_t state;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint32_t sieve(void)
{
    uint32_t primes = 0;
    memset(composite, 0, sizeof composite);
    for (uint32_t i = 2; i < SIEVE; i++) {
        if (composite[i])
            continue;
        primes++;
        for (uint64_t j = (uint64_t)i * i; j < SIEVE; j += i)
            composite[j] = 1;
    }
    return primes;
}

static uint32_t table(void)
{
    uint32_t collisions = 0;
    memset(keys, 0, sizeof keys);
    memset(values, 0, sizeof values);
    for (int i = 0; i < 60000; i++) {
        uint64_t key = next() % 20000 + 1;
        uint32_t slot = (key * 0x9e3779b97f4a7c15u) >> 49;
        while (keys[slot] && keys[slot] != key) {
            slot = (slot + 1) % SLOTS;
            collisions++;
        }
        keys[slot] = key;
        values[slot]++;
    }
    for (int i = 0; i < SLOTS; i++)
        collisions = collisions * 31 + values[i];
    return collisions;
}

static int less(uint32_t a, uint32_t b) { return a < b; }

static void quicksort(uint32_t *v, long n, int (*cmp)(uint32_t, uint32_t))
{
    if (n < 2)
        return;
    uint32_t pivot = v[n / 2];
    long i = 0, j = n - 1;
    while (i <= j) {
        while (cmp(v[i], pivot))
            i++;
        while (cmp(pivot, v[j]))
            j--;
        if (i <= j) {
            uint32_t t = v[i];
            v[i++] = v[j];
            v[j--] = t;
        }
    }
    quicksort(v, j + 1, cmp);
    quicksort(v + i, n - i, cmp);
}

static uint32_t sorted(void)
{
    int (*volatile cmp)(uint32_t, uint32_t) = less;
    uint32_t sum = 0;
    for (int i = 0; i < ITEMS; i++)
        items[i] = (uint32_t)next();
    quicksort(items, ITEMS, cmp);
    for (int i = 0; i < ITEMS; i++)
        sum = sum * 33 + items[i];
    return sum;
}

static uint32_t checksum(void)
{
    uint32_t crc = ~0u;
    for (int i = 0; i < ITEMS; i++) {
        crc ^= items[i] & 0xff;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

int main(int argc, char **argv)
{
    long repeats = argc > 1 ? atol(argv[1]) : 1;
    uint32_t sums[4] = {0};
    state = 88172645463325252u;
    for (long r = 0; r < repeats; r++) {
        sums[0] += sieve();
        sums[1] = sums[1] * 17 + table();
        sums[2] = sums[2] * 17 + sorted();
        sums[3] = sums[3] * 17 + checksum();
    }
    printf("%u %u %u %u\n", sums[0], sums[1], sums[2], sums[3]);
    return 0;
}
