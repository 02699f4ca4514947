# SBCL: its collector's write barriers, native compilation, threads, conditions from faults, big numbers, saved cores, foreign calls.
cat >t.lisp <<'L'
(defun fib (n) (declare (fixnum n)) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(format t "~a ~a~%" (fib 25) (let ((x 1)) (dotimes (i 300 (mod x 1000000007)) (setf x (* x (1+ i))))))
(let ((keep nil)) (dotimes (i 400000) (let ((c (list i (make-array 10)))) (when (zerop (mod i 100)) (push c keep)) (when (zerop (mod i 50000)) (gc)))) (gc :full t) (format t "~a ~a~%" (length keep) (reduce #'+ keep :key #'first)))
(let ((old (make-array 100000 :initial-element nil))) (gc :full t) (dotimes (r 5) (dotimes (i 100000) (setf (aref old i) (cons i r))) (gc)) (format t "~a~%" (loop for c across old sum (+ (car c) (cdr c)))))
(format t "~a~%" (handler-case (car (sb-ext:truly-the list (the t 5))) (error (e) (type-of e))))
(format t "~a~%" (handler-case (/ 1 (parse-integer "0")) (division-by-zero () "division")))
(format t "~a~%" (handler-case (labels ((f (n) (1+ (f (1+ n))))) (f 0)) (sb-kernel::control-stack-exhausted () "stack")))
(format t "~a~%" (handler-case (sb-sys:sap-ref-64 (sb-sys:int-sap 64) 0) (sb-sys:memory-fault-error () "memory fault")))
#+sb-thread (let* ((m (sb-thread:make-mutex)) (n 0) (ts (loop repeat 4 collect (sb-thread:make-thread (lambda () (dotimes (i 3000) (sb-thread:with-mutex (m) (incf n)) (make-array 50))))))) (mapc #'sb-thread:join-thread ts) (format t "threads ~a~%" n))
(format t "~a ~a~%" (sb-alien:alien-funcall (sb-alien:extern-alien "abs" (function sb-alien:int sb-alien:int)) -7) (length (sb-ext:posix-environ)))
(format t "~,15f ~a ~a~%" (sin 1d0) (expt 2/3 40) (sqrt -2))
(format t "~a~%" (funcall (compile nil '(lambda (a b) (declare (double-float a b) (optimize speed)) (+ (* a b) (floor a b)))) 7.5d0 2d0))
(let ((h (make-hash-table :test 'equal))) (dotimes (i 50000) (incf (gethash (format nil "~r" (mod i 999)) h 0))) (format t "~a~%" (hash-table-count h)))
(format t "~a~%" (with-output-to-string (s) (sb-ext:run-program "/bin/sh" '("-c" "echo child; exit 3") :output s)))
(handler-case (sb-ext:with-timeout 0.2 (loop)) (sb-ext:timeout () (format t "timeout~%")))
(finish-output)
(defun main () (format t "saved ~a ~a~%" (fib 15) (length sb-ext:*posix-argv*)) (sb-ext:exit :code 7))
(sb-ext:save-lisp-and-die "app" :executable t :toplevel #'main)
L
sed -i 's/ (length (sb-ext:posix-environ))/ (plusp (length (sb-ext:posix-environ)))/' t.lisp
sbcl --noinform --no-userinit --disable-debugger --load t.lisp 2>err | grep -v '^\[\|^;'; echo "status $?"; ./app a b; echo "app $?"; ./app a b >/dev/null; echo "again $?"; tail -n 5 err >&2
echo '(defun g (x) (* x 2))' >f.lisp; sbcl --noinform --non-interactive --eval '(compile-file "f.lisp")' --eval '(load "f.fasl")' --eval '(print (g 21))' 2>/dev/null | tail -n 1; sbcl --dynamic-space-size 64MB --noinform --disable-debugger --eval '(let ((l nil)) (handler-case (loop (push (make-array 100000) l)) (storage-condition () (setf l nil) (princ "exhausted"))) (terpri) (exit :code 4))' 2>/dev/null | tail -n 1
