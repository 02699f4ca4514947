# Guile: its own code generator (GUILE_JIT_THRESHOLD=0 has it compile everything) and the compiler to bytecode; threads, continuations, big numbers.
cat >t.scm <<'S'
(use-modules (system vm vm) (ice-9 threads) (srfi srfi-1) (ice-9 futures) (ice-9 regex) (rnrs bytevectors))
(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(define (show . x) (for-each display x) (newline))
(show (fib 22) " " (modulo (fold * 1 (iota 200 1)) 1000000007))
(show (call/cc (lambda (k) (for-each (lambda (x) (when (> x 3) (k x))) (iota 10)) 'none)))
(let ((m (make-mutex)) (n 0)) (for-each join-thread (map (lambda (i) (call-with-new-thread (lambda () (do ((j 0 (+ j 1))) ((= j 2000)) (with-mutex m (set! n (+ n 1))))))) (iota 4))) (show "threads " n))
(show (par-map (lambda (x) (* x x)) (iota 20)) (touch (future (fib 12))))
(show (catch #t (lambda () (vector-ref (vector 1 2) 7)) (lambda (k . a) k)) " " (catch 'stack-overflow (lambda () (call-with-stack-overflow-handler 100000 (lambda () (let f ((n 0)) (+ 1 (f (+ n 1))))) (lambda () (throw 'stack-overflow)))) (lambda a "overflow")))
(let ((b (make-bytevector 800))) (do ((i 0 (+ i 1))) ((= i 100)) (bytevector-ieee-double-native-set! b (* 8 i) (sqrt i))) (show (let s ((i 0) (a 0.)) (if (= i 100) a (s (+ i 1) (+ a (bytevector-ieee-double-native-ref b (* 8 i))))))))
(define (loop n a) (if (zero? n) a (loop (- n 1) (logxor (* 3 a) (logand n 1023)))))
(show (modulo (loop 3000 1) 1000003) " " (exact->inexact 1/3) " " (sqrt -4) " " (expt 2.5 0.3))
(do ((i 0 (+ i 1))) ((= i 100000)) (make-vector 20 i)) (gc)
(show (map match:substring (list-matches "[a-z]+" "ab 12 cd")) (call-with-prompt 'p (lambda () (+ 1 (abort-to-prompt 'p 5))) (lambda (k v) (k (* v 2)))) (string-upcase "straße"))
(show (with-output-to-string (lambda () (system* "true"))) (status:exit-val (system "exit 3")))
S
for t in 0 1000 -1; do GUILE_JIT_THRESHOLD=$t GUILE_AUTO_COMPILE=0 guile t.scm; echo "threshold $t: $?"; done
guild compile -O3 -o t.go t.scm >/dev/null 2>&1; echo "guild $?"; guile -c '(load-compiled "t.go")' | cksum
cat >e.c <<'C'
#include <stdio.h>
#include <libguile.h>
static SCM twice(SCM x) { return scm_product(x, scm_from_int(2)); }
static void *run(void *d) { scm_c_define_gsubr("twice", 1, 0, 0, twice); return (void *)(long)scm_to_int(scm_c_eval_string("(apply + (map twice (iota 10)))")); }
int main(void) { printf("%ld\n", (long)scm_with_guile(run, 0)); return 0; }
C
gcc $(pkg-config --cflags guile-3.0 2>/dev/null || echo -I/usr/include/guile/3.0) e.c -o e -lguile-3.0 2>&1 | head -n 3; GUILE_AUTO_COMPILE=0 ./e
