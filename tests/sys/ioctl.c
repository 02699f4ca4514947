// ioctl: terminals, descriptors, files, and what is refused.
#include "sys.h"
#include <linux/fs.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <asm/termbits.h>

static void terminal(void) {
  int m = posix_openpt(O_RDWR | O_NOCTTY), n = -1, zero = 0, s;
  char name[32];
  R(ioctl(m, TIOCGPTN, &n));
  R(ioctl(m, TIOCSPTLCK, &zero));
  OK(s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  R(fcntl(s, F_GETFD));
  IS((fcntl(s, F_GETFL) & (O_ACCMODE | O_DIRECTORY | O_DIRECT | O_NOFOLLOW)) == O_RDWR);
  snprintf(name, sizeof name, "/dev/pts/%d", n);
  IS(strcmp(ttyname(s) ? ttyname(s) : "", name) == 0);
  struct termios t;
  R(ioctl(s, TCGETS, &t));
  printf("%o %o %o %o line %d:", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag, t.c_line);
  for (int i = 0; i < 17; i++) printf(" %d", t.c_cc[i]);
  puts("");
  t.c_lflag &= ~(ICANON | ECHO);
  t.c_cc[VMIN] = 1, t.c_cc[VTIME] = 0, t.c_oflag &= ~OPOST;
  R(ioctl(s, TCSETS, &t));
  struct termios2 t2;
  R(ioctl(s, TCGETS2, &t2));
  printf("%o %u %u\n", t2.c_lflag, t2.c_ispeed, t2.c_ospeed);
  t2.c_cflag = (t2.c_cflag & ~CBAUD) | BOTHER, t2.c_ospeed = t2.c_ispeed = 12345;
  R(ioctl(s, TCSETS2, &t2));
  R(ioctl(s, TCGETS2, &t2));
  printf("%u %u\n", t2.c_ispeed, t2.c_ospeed);
  struct winsize w = {24, 80, 1, 2};
  R(ioctl(s, TIOCSWINSZ, &w));
  memset(&w, 0, sizeof w);
  R(ioctl(m, TIOCGWINSZ, &w));
  printf("%d %d %d %d\n", w.ws_row, w.ws_col, w.ws_xpixel, w.ws_ypixel);
  write(m, "typed", 5);
  int k = 0;
  // The terminal hands bytes over in its own time.
  struct pollfd ready = {s, POLLIN, 0};
  R(poll(&ready, 1, 5000));
  R(ioctl(s, FIONREAD, &k));
  R(k);
  char buf[16];
  R(read(s, buf, 16));
  R(write(s, "out", 3));
  ready.fd = m;
  R(poll(&ready, 1, 5000));
  R(ioctl(m, TIOCINQ, &k));
  R(k);
  R(ioctl(s, TCFLSH, TCIOFLUSH));
  R(ioctl(s, TCFLSH, 77));
  R(ioctl(s, TCSBRK, 1));
  R(ioctl(s, TIOCEXCL));
  R(ioctl(s, TIOCGEXCL, &k));
  R(k);
  R(ioctl(s, TIOCNXCL));
  R(ioctl(s, TIOCOUTQ, &k));
  R(ioctl(s, TIOCGETD, &k));
  R(k);
  R(ioctl(s, TIOCGPGRP, &k));
  R(ioctl(s, TCGETS, BAD));
  R(ioctl(s, TCSETS, BAD));
  // A controlling terminal and its job control.
  fflush(stdout);
  if (fork() == 0) {
    setsid();
    R(ioctl(s, TIOCSCTTY, 0));
    IS(ioctl(s, TIOCGPGRP, &k) == 0 && k == getpid());
    IS(ioctl(s, TIOCGSID, &k) == 0 && k == getpid());
    OK(open("/dev/tty", O_RDWR));
    R(ioctl(s, TIOCSPGRP, &k));
    R(ioctl(s, TIOCNOTTY));
    fflush(stdout), _exit(0);
  }
  wait(NULL);
}

static void descriptors(void) {
  int p[2], on = 1, off = 0, n = -1;
  pipe(p);
  R(ioctl(p[0], FIOCLEX));
  R(fcntl(p[0], F_GETFD));
  R(ioctl(p[0], FIONCLEX));
  R(fcntl(p[0], F_GETFD));
  R(ioctl(p[0], FIONBIO, &on));
  IS(fcntl(p[0], F_GETFL) & O_NONBLOCK);
  R(ioctl(p[0], FIONBIO, &off));
  IS(fcntl(p[0], F_GETFL) & O_NONBLOCK);
  write(p[1], "abc", 3);
  R(ioctl(p[0], FIONREAD, &n));
  R(n);
  R(ioctl(p[0], FIONREAD, BAD));
  R(ioctl(-1, FIONREAD, &n));
  R(ioctl(p[0], TCGETS, &n));
  R(ioctl(p[0], 0xdeadbeef, &n));
  int s[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  write(s[1], "four", 4);
  R(ioctl(s[0], FIONREAD, &n));
  R(n);
  R(ioctl(s[0], TIOCOUTQ, &n));
}

static void files(void) {
  put("f", "0123456789");
  int fd = open("f", O_RDWR), n = 0;
  lseek(fd, 4, SEEK_SET);
  R(ioctl(fd, FIONREAD, &n));
  R(n);
  R(ioctl(fd, FIGETBSZ, &n));
  IS(n >= 512);
  R(ioctl(fd, TCGETS, &n));
  R(ioctl(fd, BLKGETSIZE64, &n));
  R(ioctl(open(".", O_RDONLY), FIONREAD, &n));
  R(ioctl(open("f", O_PATH), FIONREAD, &n));
  int attr = 0;
  int r = ioctl(fd, FS_IOC_GETFLAGS, &attr);
  IS(r == 0 || errno == ENOTTY || errno == EOPNOTSUPP);
  R(ioctl(fd, FICLONE, -1));
  R(ioctl(fd, KVM_GET_API_VERSION, 0));
  R(ioctl(fd, FIOQSIZE, &attr) == 0 || errno == ENOTTY);
}

int main(void) {
  enter();
  terminal();
  descriptors();
  files();
}
