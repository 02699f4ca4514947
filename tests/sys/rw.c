// Reading, writing and moving data between files and pipes.
#include "sys.h"
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static void show(const char *name) {
  char buf[64];
  int fd = open(name, O_RDONLY);
  ssize_t n = read(fd, buf, sizeof buf);
  close(fd);
  printf("%s: %zd \"", name, n);
  for (ssize_t i = 0; i < n; i++) putchar(buf[i] ? buf[i] : '.');
  puts("\"");
}

static void plain(void) {
  char buf[32] = {0};
  int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
  R(write(fd, "0123456789", 10));
  R(lseek(fd, 2, SEEK_SET));
  R(read(fd, buf, 4));
  R(lseek(fd, -3, SEEK_END));
  R(read(fd, buf, 32));
  R(read(fd, buf, 32));
  R(lseek(fd, -20, SEEK_CUR));
  R(lseek(fd, 0, 77));
  R(lseek(fd, 5, SEEK_CUR));
  R(pread(fd, buf, 3, 4));
  R(pwrite(fd, "ab", 2, 12));
  R(pread(fd, buf, 3, -1));
  R(lseek(fd, 0, SEEK_CUR));
  show("f");
  R(syscall(SYS_read, fd, BAD, 4));
  R(syscall(SYS_write, fd, BAD, 4));
  R(syscall(SYS_read, fd, BAD, 0));
  R(syscall(SYS_read, -1, buf, 1));
  R(syscall(SYS_write, open("f", O_RDONLY), buf, 1));
  R(read(open(".", O_RDONLY), buf, 1));
  // Up to the last accessible byte.
  char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(p + 4096, 4096);
  lseek(fd, 0, SEEK_SET);
  R(read(fd, p + 4090, 14));
  lseek(fd, 0, SEEK_SET);
  R(read(fd, p + 4082, 14));
  R(syscall(SYS_read, fd, (char *)-1, 1));
  close(fd);
}

static void vectors(void) {
  char a[4] = "", b[8] = "";
  int fd = open("v", O_RDWR | O_CREAT, 0600);
  struct iovec w[] = {{"abc", 3}, {"", 0}, {"defgh", 5}}, r[] = {{a, 3}, {b, 7}};
  R(writev(fd, w, 3));
  R(preadv(fd, r, 2, 1));
  printf("%s %s\n", a, b);
  R(pwritev(fd, w, 3, 20));
  R(preadv2(fd, r, 2, -1, 0));
  R(preadv2(fd, r, 2, 0, RWF_NOWAIT) > 0 || errno == EAGAIN || errno == EOPNOTSUPP);
  R(pwritev2(fd, w, 1, 0, RWF_APPEND));
  R(pwritev2(fd, w, 1, 0, RWF_DSYNC));
  R(preadv2(fd, r, 2, 0, 0x40000000));
  R(preadv(fd, r, 2, -1));
  R(readv(fd, r, -1));
  R(readv(fd, r, 1025));
  R(syscall(SYS_readv, fd, BAD, 1));
  struct iovec bad[] = {{a, 2}, {BAD, 3}};
  R(preadv(fd, bad, 2, 0));
  struct iovec huge[] = {{a, 2}, {b, SIZE_MAX}};
  R(preadv(fd, huge, 2, 0));
  R(lseek(fd, 0, SEEK_END));
  close(fd);
}

static void sizes(void) {
  struct stat st;
  int fd = open("s", O_RDWR | O_CREAT, 0600);
  R(ftruncate(fd, 100000));
  R(fstat(fd, &st));
  R(st.st_size);
  R(truncate("s", 10));
  R(truncate("s", -1));
  R(truncate(".", 0));
  R(ftruncate(open("s", O_RDONLY), 0));
  R(fallocate(fd, 0, 0, 8192));
  R(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 65536));
  fstat(fd, &st);
  R(st.st_size);
  R(fallocate(fd, 0, -1, 10));
  R(fallocate(fd, 0, 0, 0));
  R(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
  R(fallocate(-1, 0, 0, 10));
  R(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
  R(posix_fadvise(fd, 0, 0, 77));
  R(readahead(fd, 0, 4096));
  R(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
  R(sync_file_range(fd, 0, 0, 0x80));
  R(fsync(fd));
  R(fdatasync(fd));
  R(fsync(-1));
  R(syncfs(fd));
  R(lseek(fd, 0, SEEK_DATA) >= 0 || errno == ENXIO);
  R(lseek(fd, 100000, SEEK_DATA));
  R(lseek(fd, 100000, SEEK_HOLE));
  close(fd);
}

static void between(void) {
  put("src", "the quick brown fox");
  int in = open("src", O_RDONLY), outfd = open("dst", O_RDWR | O_CREAT, 0600), p[2], q[2];
  off_t o = 4, o2 = 0;
  R(sendfile(outfd, in, &o, 5));
  R(o);
  R(lseek(in, 0, SEEK_CUR));
  R(sendfile(outfd, in, NULL, 100));
  R(sendfile(outfd, in, NULL, 100));
  R(sendfile(-1, in, NULL, 1));
  R(syscall(SYS_sendfile, outfd, in, BAD, 1));
  show("dst");
  loff_t a = 4, b = 0;
  R(copy_file_range(in, &a, outfd, &b, 5, 0));
  R(a);
  R(copy_file_range(in, &a, outfd, &b, 5, 1));
  R(copy_file_range(in, NULL, in, NULL, 5, 0));
  show("dst");
  R(pipe(p));
  R(pipe2(q, O_NONBLOCK | O_CLOEXEC));
  loff_t at = 10;
  R(splice(in, &at, p[1], NULL, 9, 0));
  R(at);
  R(tee(p[0], q[1], 100, 0));
  R(tee(p[0], p[1], 100, 0));
  R(splice(p[0], NULL, outfd, &b, 100, SPLICE_F_MOVE));
  R(splice(q[0], NULL, outfd, NULL, 3, 0));
  R(splice(in, NULL, outfd, NULL, 3, 0));
  R(splice(in, NULL, p[1], &at, 3, 0));
  R(splice(in, NULL, p[1], NULL, 3, 0x80));
  struct iovec v = {"vmsplice", 8};
  R(vmsplice(p[1], &v, 1, 0));
  char buf[16] = "";
  R(read(p[0], buf, 16));
  puts(buf);
  R(vmsplice(outfd, &v, 1, 0));
  R(read(q[0], buf, 16));
  R(read(q[0], buf, 16));
  (void)o2;
  show("dst");
}

static void pipes(void) {
  int p[2];
  char buf[16], *big = calloc(1, 200000);
  R(pipe2(p, O_DIRECT | O_NONBLOCK));
  IS(fcntl(p[0], F_GETFL) & O_DIRECT);
  R(write(p[1], "packet one", 10));
  R(write(p[1], "two", 3));
  R(read(p[0], buf, 6));
  R(read(p[0], buf, 16));
  R(read(p[0], buf, 16));
  R(close(p[1]));
  R(read(p[0], buf, 16));
  close(p[0]);
  R(pipe2(p, O_NONBLOCK));
  R(fcntl(p[0], F_GETPIPE_SZ));
  R(fcntl(p[1], F_SETPIPE_SZ, 10000));
  R(write(p[1], big, 200000));
  R(write(p[1], big, 1));
  R(lseek(p[0], 0, SEEK_SET));
  R(pread(p[0], buf, 1, 0));
  signal(SIGPIPE, SIG_IGN);
  close(p[0]);
  R(write(p[1], "x", 1));
  R(pipe2(p, O_DIRECTORY));
  R(pipe2(p, O_NOFOLLOW));
  R(pipe2(p, 0x40000000));
  R(syscall(SYS_pipe2, BAD, 0));
  free(big);
}

int main(void) {
  enter();
  plain();
  vectors();
  sizes();
  between();
  pipes();
}
