# limit: 600
# R: its byte-code compiler, linear algebra, random numbers, regular expressions, forked workers, errors, a package with C and Fortran.
cat >t.R <<'R'
options(digits = 7, width = 100)
set.seed(42); x <- rnorm(2000); y <- 2 * x + rexp(2000); print(summary(y)); print(coef(lm(y ~ x + I(x^2))))
m <- matrix(runif(10000), 100); print(c(det(m[1:5, 1:5]), sum(solve(m) %*% m), sum(svd(m)$d), max(Re(eigen(m)$values))))
print(round(optim(c(-1.2, 1), function(p) 100 * (p[2] - p[1]^2)^2 + (1 - p[1])^2, method = "BFGS")$par, 4)); print(integrate(dnorm, -1.96, 1.96)$value)
f <- function(n) if (n < 2) n else f(n - 1) + f(n - 2); print(f(19)); g <- compiler::cmpfun(function(n) { s <- 0; for (i in 1:n) s <- s + i %% 7; s }); print(g(3e5))
print(table(cut(x, c(-Inf, -1, 0, 1, Inf)))); print(head(aggregate(y ~ round(x), FUN = mean), 3)); print(fft(1:8))
print(regmatches("a1b22c333", gregexpr("[0-9]+", "a1b22c333"))[[1]]); print(gsub("(\\w+) (\\w+)", "\\2 \\1", "hello world", perl = TRUE)); print(sprintf("%08.3f|%5s|%-5s|%e", pi, "a", "b", 1e-300)); print(toupper("äöü")); print(format(as.Date("2026-11-21") + 0:2, "%a %d %b"))
print(tryCatch(stop("boom"), error = conditionMessage, finally = cat("finally\n"))); print(tryCatch(log(-1), warning = function(w) "warned")); e <- tryCatch((function(n) sys.function()(n + 1))(1), error = function(e) "deep"); r <- tryCatch({ h <- function(n) h(n + 1); h(1) }, error = function(e) "too deep"); print(r)
print(unlist(parallel::mclapply(1:8, function(i) sum(1:(i * 1000)), mc.cores = 4))); cl <- parallel::makeCluster(2); print(parallel::clusterApply(cl, 1:2, function(i) i^2)[[2]]); parallel::stopCluster(cl)
print(system("echo from the shell; exit 3")); print(length(system("seq 100", intern = TRUE))); con <- gzfile("z.gz", "w"); writeLines(as.character(1:1000), con); close(con); print(sum(as.numeric(readLines("z.gz")))); saveRDS(list(x, m), "o.rds", compress = "xz"); print(identical(readRDS("o.rds"), list(x, m)))
print(.Machine$integer.max + 1L); print(5 %/% 0); print(bitwXor(5L, 3L)); print(2^1023 * 2); print(sum(1 / (1:1e5)^2)); print(rev(strtoi(c("ff", "777", "10"), c(16L, 8L, 2L)))); l <- list(); for (i in 1:200) l[[i]] <- numeric(5000); rm(l); invisible(gc()); gctorture(TRUE); s <- paste0("a", 1:20); gctorture(FALSE); print(s[20])
dyn.load("x.so"); print(.C("twice", as.double(1:3))[[1]]); print(.Call("count", quote(a + b))); print(.Fortran("cube", as.double(3))[[1]]); set.seed(1, "L'Ecuyer-CMRG"); print(runif(2)); print(sample(10)); quit(status = 4)
R
printf '#include <R.h>\n#include <Rinternals.h>\nvoid twice(double *v) { for (int i = 0; i < 3; i++) v[i] *= 2; }\nSEXP count(SEXP e) { return ScalarInteger(length(e)); }\n' >x.c; printf '      subroutine cube(x)\n      double precision x\n      x = x**3\n      end\n' >y.f
R CMD SHLIB -o x.so x.c y.f >log 2>&1; echo "built $?"; Rscript --vanilla t.R 2>/dev/null; echo "status $?"; R_ENABLE_JIT=0 Rscript --vanilla t.R 2>/dev/null | cksum; printf '1+1\nls()\nq()\n' | R --vanilla --quiet
mkdir -p pack/R && printf 'Package: pack\nVersion: 1.0\nTitle: T\nDescription: D.\nAuthor: A\nMaintainer: A <a@example.org>\nLicense: GPL-2\n' >pack/DESCRIPTION; echo 'export(f)' >pack/NAMESPACE; echo 'f <- function() "package"' >pack/R/f.R; mkdir lib; R CMD build pack >log 2>&1; echo "build $?"; R CMD INSTALL -l lib pack_1.0.tar.gz >log 2>&1; echo "install $?"; Rscript -e '.libPaths("lib"); library(pack); f()'
