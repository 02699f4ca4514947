# Ada tasks, protected objects, exceptions from faults and checks; Fortran with OpenMP-free array code, complex numbers, formatted output and traps.
cat >main.adb <<'A'
with Ada.Text_IO, Ada.Exceptions, Ada.Numerics.Elementary_Functions, Ada.Containers.Vectors, System;
use Ada.Text_IO;
procedure Main is
   protected Counter is procedure Add (N : Integer); function Value return Integer; private V : Integer := 0; end Counter;
   protected body Counter is
      procedure Add (N : Integer) is begin V := V + N; end Add;
      function Value return Integer is (V);
   end Counter;
   task type Worker is entry Start (N : Integer); end Worker;
   task body Worker is K : Integer; begin accept Start (N : Integer) do K := N; end Start; for I in 1 .. 1000 loop Counter.Add (K); if I mod 100 = 0 then delay 0.0; end if; end loop; end Worker;
   package V is new Ada.Containers.Vectors (Positive, Float);
   type P is access Integer;
   procedure Checks (Zero : Integer) is
      A : array (1 .. 3) of Integer := (1, 2, 3); X : P := null;
   begin
      begin Put_Line (Integer'Image (A (Zero + 5))); exception when E : Constraint_Error => Put_Line (Ada.Exceptions.Exception_Name (E)); end;
      begin Put_Line (Integer'Image (1 / Zero)); exception when Constraint_Error => Put_Line ("division"); end;
      begin Put_Line (Integer'Image (X.all)); exception when Constraint_Error => Put_Line ("null"); end;
      begin A (1) := Integer'Last; Put_Line (Integer'Image (A (1) + A (2))); exception when Constraint_Error => Put_Line ("overflow"); end;
   end Checks;
   function Deep (N : Integer) return Integer is Pad : array (1 .. 200) of Integer := (others => N); begin return Deep (N + 1) + Pad (9); end Deep;
   L : V.Vector;
begin
   declare W : array (1 .. 4) of Worker; begin for I in W'Range loop W (I).Start (I); end loop; end;
   Put_Line (Integer'Image (Counter.Value)); Checks (0);
   for I in 1 .. 1000 loop L.Append (Ada.Numerics.Elementary_Functions.Sqrt (Float (I))); end loop; Put_Line (Float'Image (L (777)));
   select delay 0.05; Put_Line ("timed out"); then abort loop delay 0.001; end loop; end select;
   begin Put_Line (Integer'Image (Deep (1))); exception when Storage_Error => Put_Line ("storage"); end;
end Main;
A
gnatmake -q -O1 -fstack-check main.adb 2>&1 | head -n 5; ./main; echo "ada $?"
cat >f.f90 <<'F'
program t
  use, intrinsic :: iso_fortran_env
  use, intrinsic :: ieee_arithmetic
  implicit none
  real(8) :: a(60,60), b(60,60), x
  complex(8) :: z
  integer(int64) :: i
  integer :: j, k
  logical :: flag
  character(20) :: s
  real(16) :: q
  do j = 1, 60; do k = 1, 60; a(j,k) = sin(real(j*k, 8)); end do; end do
  b = matmul(a, transpose(a)); print '(3es20.11)', b(1,1), sum(b), maxval(abs(b))
  z = exp((0d0, 1d0) * acos(-1d0)); print '(2f20.15)', z; i = 1; do j = 1, 20; i = i * j; end do; print *, i, huge(j), popcnt(i)
  q = sqrt(2.0_16); print '(f40.33)', q; write (s, '(i5.3,f8.2)') 7, 2.5d0; print *, s
  call ieee_set_flag(ieee_divide_by_zero, .false.); x = 0; x = 1 / x; call ieee_get_flag(ieee_divide_by_zero, flag); print *, x, flag, ieee_is_finite(x)
  call ieee_set_rounding_mode(ieee_up); x = 1d0; x = x / 3; print '(z16)', x; call ieee_set_rounding_mode(ieee_down); x = 1d0; x = x / 3; print '(z16)', x
  call ieee_set_rounding_mode(ieee_nearest); call system_clock(i); print *, i > 0; open (9, file='d', form='unformatted'); write (9) b; rewind 9; a = 0; read (9) a; print *, all(a == b)
  stop 3
end program
F
for o in -O0 -O2 -Ofast; do gfortran $o -ffp-contract=off -fno-fast-math f.f90 -o f 2>/dev/null && ./f 2>/dev/null | sed 's/-0\.0*$/0/' | if [ $o = -O0 ]; then cat; else head -n 12 | wc -l; fi; done; ./f >/dev/null 2>&1; echo "fortran $?"
