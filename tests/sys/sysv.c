// System V semaphores, shared memory and message queues.
#include "sys.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

union semun {
  int val;
  struct semid_ds *buf;
  unsigned short *array;
  struct seminfo *info;
};

static int sem = -1, shm = -1, msg = -1;

static void remove_all(void) {
  if (getpid() != owner) return;
  semctl(sem, 0, IPC_RMID), shmctl(shm, IPC_RMID, NULL), msgctl(msg, IPC_RMID, NULL);
}

static void semaphores(void) {
  unsigned short v[4] = {1, 2, 3, 4}, w[4] = {0};
  struct semid_ds ds;
  struct { struct semid_ds ds; long guard; } around;
  OK(sem = semget(IPC_PRIVATE, 4, 0640));
  R(semctl(sem, 0, SETALL, (union semun){.array = v}));
  R(semctl(sem, 0, GETALL, (union semun){.array = w}));
  printf("%d %d %d %d\n", w[0], w[1], w[2], w[3]);
  R(semctl(sem, 2, SETVAL, (union semun){.val = 9}));
  R(semctl(sem, 2, GETVAL));
  R(semctl(sem, 2, GETPID) == getpid());
  R(semctl(sem, 2, GETNCNT));
  R(semctl(sem, 2, GETZCNT));
  R(semctl(sem, 4, GETVAL));
  R(semctl(sem, 0, SETVAL, (union semun){.val = -1}));
  R(semctl(sem, 0, SETVAL, (union semun){.val = 40000}));
  around.guard = 0x5555555555555555;
  R(semctl(sem, 0, IPC_STAT, (union semun){.buf = &around.ds}));
  IS(around.guard == 0x5555555555555555);
  ds = around.ds;
  IS(ds.sem_perm.uid == getuid() && ds.sem_perm.cgid == getgid() && ds.sem_perm.__key == IPC_PRIVATE);
  printf("mode %o nsems %lu otime %ld\n", ds.sem_perm.mode, (unsigned long)ds.sem_nsems, (long)ds.sem_otime);
  IS(time(NULL) - ds.sem_ctime < 60);
  ds.sem_perm.mode = 0600;
  R(semctl(sem, 0, IPC_SET, (union semun){.buf = &ds}));
  memset(&ds, 0, sizeof ds);
  R(semctl(sem, 0, IPC_STAT, (union semun){.buf = &ds}));
  printf("mode %o nsems %lu\n", ds.sem_perm.mode, (unsigned long)ds.sem_nsems);
  R(semctl(sem, 0, IPC_STAT, (union semun){.buf = BAD}));
  R(semctl(sem, 0, IPC_SET, (union semun){.buf = BAD}));
  R(semctl(sem, 0, 99));
  R(semctl(-1, 0, IPC_STAT, (union semun){.buf = &ds}));
  struct seminfo info;
  IS(semctl(0, 0, IPC_INFO, (union semun){.info = &info}) >= 0 && info.semmsl > 0);
  struct sembuf down = {0, -1, IPC_NOWAIT}, two[] = {{1, -2, 0}, {2, 1, 0}}, zero = {3, 0, IPC_NOWAIT}, far = {9, 1, 0};
  struct timespec t = {0, 20000000}, wrong = {0, -1};
  R(semop(sem, &down, 1));
  R(semop(sem, &down, 1));
  R(semop(sem, two, 2));
  R(semctl(sem, 2, GETVAL));
  R(semop(sem, &zero, 1));
  R(semop(sem, &far, 1));
  R(semop(sem, two, 0));
  R(semop(sem, two, 100000));
  R(semop(sem, BAD, 1));
  down.sem_flg = 0;
  double s = now();
  R(semtimedop(sem, &down, 1, &t));
  IS(now() - s >= 0.019);
  R(semtimedop(sem, &down, 1, &wrong));
  semctl(sem, 0, IPC_STAT, (union semun){.buf = &ds});
  IS(time(NULL) - ds.sem_otime < 60);
  // Undone at exit.
  if (fork() == 0) {
    struct sembuf undo = {2, 5, SEM_UNDO};
    semop(sem, &undo, 1);
    _exit(semctl(sem, 2, GETVAL));
  }
  int status;
  wait(&status);
  printf("%d then %d\n", WEXITSTATUS(status), semctl(sem, 2, GETVAL));
  R(semget(IPC_PRIVATE, 0, 0600));
  R(semget(IPC_PRIVATE, 1000000, 0600));
  R(semget(0x7f5a0001, 1, 0));
}

static void memory(void) {
  struct shmid_ds ds;
  OK(shm = shmget(IPC_PRIVATE, 10000, 0600));
  char *a = shmat(shm, NULL, 0), *b = shmat(shm, NULL, SHM_RDONLY);
  IS(a != (void *)-1 && b != (void *)-1 && a != b && ((uintptr_t)a & 4095) == 0);
  strcpy(a + 9000, "shared");
  puts(b + 9000);
  R(shmctl(shm, IPC_STAT, &ds));
  printf("size %zu attached %lu mode %o\n", ds.shm_segsz, (unsigned long)ds.shm_nattch, ds.shm_perm.mode);
  IS(ds.shm_cpid == getpid() && ds.shm_lpid == getpid());
  R((long)shmat(shm, a + 1, 0));
  R((long)shmat(shm, a, 0));
  IS(shmat(shm, b + 100, SHM_RND | SHM_REMAP) == b);
  strcpy(b, "writable now");
  puts(a);
  IS(shmat(shm, NULL, SHM_EXEC) != (void *)-1 || errno == EACCES);
  R((long)shmat(-1, NULL, 0));
  R((long)shmat(shm, NULL, SHM_REMAP));
  R(shmdt(b));
  R(shmdt(b));
  R(shmdt(a + 1));
  // Inherited, detached by exec and exit.
  if (fork() == 0) strcpy(a, "from the child"), _exit(0);
  wait(NULL);
  puts(a);
  R(shmctl(shm, IPC_RMID, NULL));
  R(shmctl(shm, IPC_STAT, &ds));
  IS(ds.shm_perm.mode & 01000);
  puts(a);
  R(shmdt(a));
  struct shminfo info;
  IS(shmctl(0, IPC_INFO, (void *)&info) >= 0 && info.shmmin == 1);
  R(shmget(IPC_PRIVATE, 0, 0600));
  R(shmctl(0x7fffffff, IPC_STAT, &ds));
  R(shmctl(shm, 99, &ds));
}

static void queues(void) {
  struct { long type; char text[16]; } m = {3, "three"}, r;
  struct msqid_ds ds;
  OK(msg = msgget(IPC_PRIVATE, 0600));
  R(msgsnd(msg, &m, 6, 0));
  m.type = 1, strcpy(m.text, "one");
  R(msgsnd(msg, &m, 4, 0));
  m.type = 7, strcpy(m.text, "seven");
  R(msgsnd(msg, &m, 6, 0));
  R(msgctl(msg, IPC_STAT, &ds));
  printf("%lu messages, %lu bytes, mode %o\n", (unsigned long)ds.msg_qnum, (unsigned long)ds.__msg_cbytes, ds.msg_perm.mode);
  IS(ds.msg_lspid == getpid() && ds.msg_lrpid == 0);
  R(msgrcv(msg, &r, 16, 7, 0));
  printf("%ld %s\n", r.type, r.text);
  R(msgrcv(msg, &r, 16, -2, 0));
  printf("%ld %s\n", r.type, r.text);
  R(msgrcv(msg, &r, 3, 0, 0));
  R(msgrcv(msg, &r, 3, 0, MSG_NOERROR));
  printf("%ld %.3s\n", r.type, r.text);
  R(msgrcv(msg, &r, 16, 0, IPC_NOWAIT));
  m.type = 0;
  R(msgsnd(msg, &m, 4, 0));
  R(msgsnd(msg, &m, -1, 0));
  R(msgsnd(msg, BAD, 4, 0));
  R(msgrcv(-1, &r, 16, 0, IPC_NOWAIT));
  ds.msg_qbytes = 10;
  R(msgctl(msg, IPC_SET, &ds));
  m.type = 1;
  R(msgsnd(msg, &m, 8, IPC_NOWAIT));
  R(msgsnd(msg, &m, 8, IPC_NOWAIT));
  R(msgctl(msg, IPC_RMID, NULL));
  R(msgsnd(msg, &m, 8, IPC_NOWAIT));
}

int main(void) {
  enter();
  atexit(remove_all);
  semaphores();
  memory();
  queues();
}
