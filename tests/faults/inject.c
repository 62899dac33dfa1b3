/* A library that lets calls on files below FAULTS_DIR fail as a broken machine makes them fail,
 * for as long as the first byte of the file FAULTS_SWITCH is one of these letters:
 *   r  the file system is read-only: EROFS for whatever changes it
 *   n  the disk is full: ENOSPC for writes
 *   w  the disk is broken: EIO for writes
 *   s  the disk is broken: EIO for syncs, after writes that seemed to succeed
 *   h  the disk hangs: syncs wait until it is another letter
 * Loaded with LD_PRELOAD. Linux and glibc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static const volatile char *fault_switch;
static const char *directory;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_SWITCH");
    directory = getenv("FAULTS_DIR");
    if (!path || !directory) return;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    void *page = file < 0 ? MAP_FAILED : mmap(0, 1, PROT_READ, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) {
        fprintf(stderr, "inject: cannot read %s\n", path);
        abort();
    }
    close(file);
    fault_switch = page;
}

static char fault(void) { return fault_switch ? *fault_switch : 0; }

static int is_below(const char *path) {
    size_t length = strlen(directory);
    return !strncmp(path, directory, length) && (path[length] == '/' || !path[length]);
}

static int is_ours(int file) {
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

/* The error of a write to a file, 0 for none. */
static int of_write(int file) {
    char now = fault();
    int error = now == 'r' ? EROFS : now == 'n' ? ENOSPC : now == 'w' ? EIO : 0;
    return error && is_ours(file) ? error : 0;
}

static int of_sync(int file) {
    while (fault() == 'h' && is_ours(file)) usleep(20 * 1000);
    return fault() == 's' && is_ours(file) ? EIO : 0;
}

/* Only absolute paths: the tests name no other ones. */
static int of_change(const char *path) { return fault() == 'r' && is_below(path) ? EROFS : 0; }

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)
#define FAIL_IF(error) do { int is = (error); if (is) { errno = is; return -1; } } while (0)

ssize_t write(int file, const void *data, size_t size) {
    REAL(write); FAIL_IF(of_write(file)); return real(file, data, size);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    REAL(pwrite); FAIL_IF(of_write(file)); return real(file, data, size, at);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    REAL(pwrite64); FAIL_IF(of_write(file)); return real(file, data, size, at);
}
int ftruncate(int file, off_t size) {
    REAL(ftruncate); FAIL_IF(of_write(file)); return real(file, size);
}
int ftruncate64(int file, off64_t size) {
    REAL(ftruncate64); FAIL_IF(of_write(file)); return real(file, size);
}
int fsync(int file) { REAL(fsync); FAIL_IF(of_sync(file)); return real(file); }
int fdatasync(int file) { REAL(fdatasync); FAIL_IF(of_sync(file)); return real(file); }
int sync_file_range(int file, off64_t at, off64_t size, unsigned flags) {
    REAL(sync_file_range); FAIL_IF(of_sync(file)); return real(file, at, size, flags);
}
int rename(const char *from, const char *to) {
    REAL(rename); FAIL_IF(of_change(to)); return real(from, to);
}
int unlink(const char *path) { REAL(unlink); FAIL_IF(of_change(path)); return real(path); }
int mkdir(const char *path, mode_t mode) {
    REAL(mkdir); FAIL_IF(of_change(path)); return real(path, mode);
}

static int changes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT); }

int open(const char *path, int flags, ...) {
    REAL(open);
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (changes(flags)) FAIL_IF(of_change(path));
    return real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (changes(flags)) FAIL_IF(of_change(path));
    return real(path, flags, mode);
}
