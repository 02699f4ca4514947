# OCaml 5: native code and bytecode; domains in parallel, system threads, effects, exceptions, stack overflow, signals, big arrays, marshalling.
cat >t.ml <<'O'
open Effect
open Effect.Deep
type _ Effect.t += Ask : int -> int Effect.t
let rec fib n = if n < 2 then n else fib (n - 1) + fib (n - 2)
let rec deep n = if n = 0 then 0 else 1 + deep (n - 1)
let rec endless n = 1 + endless (n + 1)
let () =
  let d = List.init 4 (fun i -> Domain.spawn (fun () -> fib (20 + i))) in
  List.iter (fun d -> Printf.printf "%d " (Domain.join d)) d; print_newline ();
  let c = Atomic.make 0 in
  List.init 4 (fun _ -> Domain.spawn (fun () -> for _ = 1 to 20000 do Atomic.incr c; ignore (Sys.opaque_identity (Bytes.create 100)) done)) |> List.iter Domain.join;
  Printf.printf "%d\n" (Atomic.get c);
  let m = Mutex.create () and v = Condition.create () and turn = ref 0 in
  let t k = Thread.create (fun () -> for _ = 1 to 200 do Mutex.lock m; while !turn mod 3 <> k do Condition.wait v m done; incr turn; Condition.broadcast v; Mutex.unlock m done) () in
  List.iter Thread.join (List.map t [0; 1; 2]); Printf.printf "%d\n" !turn;
  let r = try_with (fun () -> perform (Ask 20) + perform (Ask 1)) () { effc = fun (type a) (e : a Effect.t) -> match e with Ask n -> Some (fun (k : (a, _) continuation) -> continue k (2 * n)) | _ -> None } in
  Printf.printf "%d %d\n" r (deep 100000);
  (try ignore (endless 0) with Stack_overflow -> print_endline "overflow");
  (try ignore [|1|].(Sys.opaque_identity 5) with Invalid_argument s -> print_endline s);
  (try ignore (1 / Sys.opaque_identity 0) with Division_by_zero -> print_endline "division");
  Sys.set_signal Sys.sigusr1 (Sys.Signal_handle (fun _ -> print_endline "signal")); Unix.kill (Unix.getpid ()) Sys.sigusr1; ignore (Sys.opaque_identity (fib 15)); Unix.sleepf 0.01;
  let h = Hashtbl.create 10 in for i = 0 to 99999 do Hashtbl.replace h (string_of_int (i mod 777)) i done; Printf.printf "%d\n" (Hashtbl.fold (fun _ v s -> v + s) h 0);
  let a = Bigarray.(Array1.init float64 c_layout 1000 (fun i -> sqrt (float i))) in let s = ref 0. in for i = 0 to 999 do s := !s +. a.{i} done; Printf.printf "%h %.17g\n" !s (atan2 !s 3.);
  let s = Marshal.to_string (Array.init 100 (fun i -> i, float i, string_of_int i)) [] in print_endline (Digest.to_hex (Digest.string s));
  Gc.full_major (); let p, q = Unix.pipe () in (match Unix.fork () with 0 -> ignore (Unix.write_substring q "child" 0 5); exit 3 | pid -> let b = Bytes.create 9 in let n = Unix.read p b 0 9 in let _, st = Unix.waitpid [] pid in Printf.printf "%s %b\n" (Bytes.sub_string b 0 n) (st = WEXITED 3))
  [@@ocaml.warning "-a"]
O
sed -i '/\[@@ocaml.warning/d' t.ml; sed 's/(match Unix.fork.*$/print_endline "no fork after domains"/; s/let p, q = Unix.pipe () in //' t.ml >u.ml
ocamlfind ocamlopt -v >/dev/null 2>&1; U="-I +unix -I +threads unix"
ocamlopt -w -a -O3 $U.cmxa threads.cmxa u.ml -o n 2>/dev/null && ./n; echo "native $?"; ocamlc -w -a $U.cma threads.cma u.ml -o b && OCAMLRUNPARAM=l=1M ./b; echo "bytecode $?"
OCAMLRUNPARAM=b,s=4k ./n | cksum; OCAMLRUNPARAM=v=0x400 ./n 2>&1 >/dev/null | grep -c collections; echo 'let () = print_int (List.fold_left (+) 0 (List.init 1000 Fun.id)) ;; #quit;;' >s.ml; ocaml s.ml 2>/dev/null; echo " $?"; ocamlopt -version
