/* Loaded into the program before libc: notes what it writes under one folder since the last sync, fails the n-th write, and
 * sets its clocks. SQLite is linked statically and calls libc, so its writes come through here too; its -shm file is memory of
 * running processes and does not count.
 *
 * BELLBOARD_FAULTS_DIR names the folder, BELLBOARD_FAULTS a file that holds `struct control`, mapped by the test as well, so
 * that faults come and go while the program runs. With `journal` set, each change goes first into that file's name with
 * ".journal." and the process's number: what stood there before and what is written now. faults.py takes back from these what was not
 * synced. Each process has one of its own, since a kill may cut its last record short, and what others wrote behind that could not
 * be read. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, TRUNCATE = 4, GROW = 8, OPEN = 16 };

struct control {
    int64_t journal;     /* note changes */
    int64_t kinds;       /* which calls may fail */
    int64_t error;       /* with which errno */
    int64_t after;       /* how many of these calls go well before */
    int64_t count;       /* how many then fail; -1: all */
    int64_t seen;        /* how many of these calls there were */
    int64_t failed;      /* how many of them failed */
    int64_t wall_ms;     /* what is added to the wall clock */
    int64_t steady_ms;   /* what is added to the steady clock */
    int64_t writes;      /* all writes to files of the folder */
    int64_t syncs;       /* all syncs of them */
    int64_t slow_us;     /* how long each write takes at least */
    int64_t order;       /* records in all journals */
};

struct record {
    char operation[4]; /* C create, U unlink, W write, T truncate, S sync begins, D sync is done */
    uint32_t process, path_length, old_length, new_length;
    int64_t order, sequence, offset, old_size;
};

#define FILES_MAX 4096
static struct control *control;
static int journal = -1;
static char folder[PATH_MAX];
static size_t folder_length;
static char *paths[FILES_MAX];
static int64_t sequences;

#define REAL(result, name, ...) \
    static result (*real_##name)(__VA_ARGS__); \
    if (!real_##name) real_##name = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("BELLBOARD_FAULTS"), *directory = getenv("BELLBOARD_FAULTS_DIR");
    if (!name || !directory) return;
    REAL(int, open64, const char *, int, ...);
    folder_length = (size_t)snprintf(folder, sizeof folder, "%s", directory);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s.journal.%d", name, (int)getpid());
    journal = real_open64(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int file = real_open64(name, O_RDWR | O_CLOEXEC);
    void *memory = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (journal < 0 || file < 0 || memory == MAP_FAILED) abort();
    control = memory;
}

/* Whether a file of that path counts. */
static int counts(const char *path) {
    if (!control || !path || strncmp(path, folder, folder_length)) return 0;
    const char *name = path + folder_length;
    return !strstr(name, "-shm") && !strstr(name, "-deliverer") && !strstr(name, "-turns") && !strstr(name, ".txt") && !strstr(name, ".ndjson");
}

static const char *path_of(int file) { return file >= 0 && file < FILES_MAX ? paths[file] : NULL; }

static int fails(int kind) {
    if (!control || !(control->kinds & kind)) return 0;
    if (__atomic_add_fetch(&control->seen, 1, __ATOMIC_SEQ_CST) <= control->after) return 0;
    if (control->count >= 0 && __atomic_fetch_sub(&control->count, 1, __ATOMIC_SEQ_CST) <= 0) {
        control->count = 0;
        return 0;
    }
    __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
    errno = (int)control->error;
    return 1;
}

static int64_t note(char operation, const char *path, int64_t sequence, int64_t offset, int64_t old_size, const void *old,
                    size_t old_length, const void *new, size_t new_length) {
    if (!control->journal) return 0;
    int kept = errno;
    if (!sequence) sequence = __atomic_add_fetch(&sequences, 1, __ATOMIC_SEQ_CST);
    struct record record = {{operation, 0, 0, 0}, (uint32_t)getpid(), (uint32_t)strlen(path), (uint32_t)old_length,
                            (uint32_t)new_length, __atomic_add_fetch(&control->order, 1, __ATOMIC_SEQ_CST), sequence, offset, old_size};
    size_t size = sizeof record + record.path_length + old_length + new_length;
    char *buffer = malloc(size), *at = buffer;
    memcpy(at, &record, sizeof record), at += sizeof record;
    memcpy(at, path, record.path_length), at += record.path_length;
    if (old_length) memcpy(at, old, old_length), at += old_length;
    if (new_length) memcpy(at, new, new_length);
    REAL(ssize_t, write, int, const void *, size_t);
    if (real_write(journal, buffer, size) != (ssize_t)size) abort();
    free(buffer);
    errno = kept;
    return sequence;
}

static int64_t size_of(int file) {
    struct stat status;
    return fstat(file, &status) ? 0 : status.st_size;
}

/* Notes a write before it is made, with what it overwrites. */
static void note_write(int file, const char *path, const void *bytes, size_t count, int64_t offset) {
    __atomic_add_fetch(&control->writes, 1, __ATOMIC_SEQ_CST);
    if (!control->journal) return;
    char *old = malloc(count);
    /* A file that was opened for writing only is read through another descriptor. */
    REAL(int, open64, const char *, int, ...);
    REAL(int, close, int);
    int reader = real_open64(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = pread64(reader, old, count, offset);
    real_close(reader);
    note('W', path, 0, offset, size_of(file), old, length > 0 ? (size_t)length : 0, bytes, count);
    free(old);
}

static ssize_t write_at(int file, const char *path, const void *bytes, size_t count, int64_t offset, int seeks) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    REAL(ssize_t, write, int, const void *, size_t);
    int grows = offset + (int64_t)count > size_of(file);
    int failed = fails(WRITE) || (grows && fails(GROW)), error = errno;
    /* A write that fails may have come half the way. */
    if (failed) count /= 2;
    ssize_t written = 0;
    if (control->slow_us) usleep((useconds_t)control->slow_us);
    if (count) {
        note_write(file, path, bytes, count, offset);
        written = seeks ? real_write(file, bytes, count) : real_pwrite64(file, bytes, count, offset);
    }
    if (failed) {
        errno = error;
        return -1;
    }
    return written;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    const char *path = path_of(file);
    return path ? write_at(file, path, bytes, count, offset, 0) : real_pwrite64(file, bytes, count, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) { return pwrite64(file, bytes, count, offset); }

ssize_t write(int file, const void *bytes, size_t count) {
    REAL(ssize_t, write, int, const void *, size_t);
    const char *path = path_of(file);
    return path ? write_at(file, path, bytes, count, lseek64(file, 0, SEEK_CUR), 1) : real_write(file, bytes, count);
}

int ftruncate64(int file, off64_t size) {
    REAL(int, ftruncate64, int, off64_t);
    const char *path = path_of(file);
    if (path) {
        if (fails(TRUNCATE)) return -1;
        int64_t old_size = size_of(file);
        size_t length = old_size > size ? (size_t)(old_size - size) : 0;
        char *old = malloc(length + 1);
        ssize_t got = length ? pread64(file, old, length, size) : 0;
        note('T', path, 0, size, old_size, old, got > 0 ? (size_t)got : 0, NULL, 0);
        free(old);
    }
    return real_ftruncate64(file, size);
}

int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

static int sync_by(int (*real)(int), int file) {
    const char *path = path_of(file);
    if (!path) return real(file);
    __atomic_add_fetch(&control->syncs, 1, __ATOMIC_SEQ_CST);
    if (fails(SYNC)) return -1;
    int64_t sequence = note('S', path, 0, 0, 0, NULL, 0, NULL, 0);
    int result = real(file);
    if (!result && sequence) note('D', path, sequence, 0, 0, NULL, 0, NULL, 0);
    return result;
}

int fsync(int file) {
    REAL(int, fsync, int);
    return sync_by(real_fsync, file);
}

int fdatasync(int file) {
    REAL(int, fdatasync, int);
    return sync_by(real_fdatasync, file);
}

static int open_by(const char *path, int flags, mode_t mode) {
    REAL(int, open64, const char *, int, ...);
    int is_ours = counts(path), is_new = is_ours && (flags & O_CREAT) && access(path, F_OK);
    if (control && !strncmp(path, folder, folder_length) && (flags & O_ACCMODE) != O_RDONLY && fails(OPEN)) return -1;
    if (is_new) note('C', path, 0, 0, 0, NULL, 0, NULL, 0);
    int file = real_open64(path, flags, mode);
    if (is_ours && file >= 0 && file < FILES_MAX) paths[file] = strdup(path);
    return file;
}

int open64(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_by(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_by(path, flags, mode);
}

int close(int file) {
    REAL(int, close, int);
    if (file >= 0 && file < FILES_MAX && paths[file]) {
        free(paths[file]);
        paths[file] = NULL;
    }
    return real_close(file);
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    REAL(int, open64, const char *, int, ...);
    REAL(int, close, int);
    if (counts(path) && control->journal) {
        int file = real_open64(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            size_t size = (size_t)size_of(file);
            char *old = malloc(size + 1);
            ssize_t length = pread64(file, old, size, 0);
            note('U', path, 0, 0, (int64_t)size, old, length > 0 ? (size_t)length : 0, NULL, 0);
            free(old);
            real_close(file);
        }
    }
    return real_unlink(path);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    REAL(int, linkat, int, const char *, int, const char *, int);
    if (counts(to) && control->journal && access(to, F_OK)) {
        /* It comes with what the other name's file holds: keys and the like, so a page is enough. */
        char content[4096];
        REAL(int, open64, const char *, int, ...);
        REAL(int, close, int);
        int file = real_open64(from, O_RDONLY | O_CLOEXEC);
        ssize_t length = pread64(file, content, sizeof content, 0);
        real_close(file);
        note('C', to, 0, 0, 0, NULL, 0, content, length > 0 ? (size_t)length : 0);
    }
    return real_linkat(from_folder, from, to_folder, to, flags);
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL(int, clock_gettime, clockid_t, struct timespec *);
    int result = real_clock_gettime(clock, time);
    if (control && !result) {
        int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
        int64_t add = is_wall ? control->wall_ms : control->steady_ms;
        int64_t nanos = time->tv_nsec + add % 1000 * 1000000;
        time->tv_sec += add / 1000 + (nanos >= 1000000000) - (nanos < 0);
        time->tv_nsec = nanos + (nanos < 0 ? 1000000000 : 0) - (nanos >= 1000000000 ? 1000000000 : 0);
    }
    return result;
}
