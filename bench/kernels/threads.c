/* Two threads that share a mutex, an atomic counter and a word that both change by compare-and-swap. threads REPEATS */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Laid out by hand: a linker puts such variables into one cache line or three as it pleases, and where the processors are far apart (200 ns for a
   line instead of 50) three take three times as long, natively as well. */
static struct {
    _Alignas(64) _Atomic uint64_t folded;
    atomic_long counter;
    long guarded, repeats;
    _Alignas(64) pthread_mutex_t mutex;
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void *work(void *arg)
{
    uint64_t x = (uint64_t)(uintptr_t)arg;
    for (long i = 0; i < shared.repeats; i++) {
        for (int k = 0; k < 24; k++)
            x = x * 6364136223846793005u + 1442695040888963407u;
        atomic_fetch_add(&shared.counter, (long)(x >> 60));
        if (i % 16 == 0) {
            pthread_mutex_lock(&shared.mutex);
            shared.guarded += (long)(x >> 61);
            pthread_mutex_unlock(&shared.mutex);
        }
        uint64_t old = atomic_load_explicit(&shared.folded, memory_order_acquire);
        while (!atomic_compare_exchange_weak(&shared.folded, &old, old + (x >> 40)))
            ;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[2];
    shared.repeats = argc > 1 ? atol(argv[1]) : 1000;
    for (uintptr_t i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(i + 1)))
            return 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%ld %ld %llu\n", shared.guarded, (long)shared.counter, (unsigned long long)shared.folded);
    return 0;
}
