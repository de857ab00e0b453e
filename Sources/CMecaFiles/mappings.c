#define _GNU_SOURCE
#include "meca_files.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { MOST_MAPPINGS = 1024, LONGEST_PATH = 1024 };

// A mapping; `length` is set last and 0 first, so that the handler, which takes no lock, never looks at
// half of one.
typedef struct {
  uintptr_t start;
  _Atomic size_t length;
  char path[LONGEST_PATH];
} Mapping;

static Mapping mappings[MOST_MAPPINGS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int is_installed;

static char farewell[8];
static size_t farewell_length;
static _Atomic int farewell_descriptor = -1;

void meca_note_farewell(int descriptor, const void *bytes, size_t count) {
  if (count > sizeof farewell) return;
  memcpy(farewell, bytes, count);
  farewell_length = count;
  atomic_store(&farewell_descriptor, descriptor);
}

static void say(const char *text) {
  ssize_t written = write(STDERR_FILENO, text, strlen(text));
  (void)written;
}

static void end(int signal_number, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t address = (uintptr_t)info->si_addr;
  for (int number = 0; number < MOST_MAPPINGS; number++) {
    size_t length = atomic_load(&mappings[number].length);
    if (length == 0 || address < mappings[number].start ||
        address - mappings[number].start >= length) {
      continue;
    }
    say("meca-dist: ");
    say(mappings[number].path);
    say(": became shorter while the run read it; bring the file back and start again\n");
    int descriptor = atomic_load(&farewell_descriptor);
    if (descriptor >= 0) {
      ssize_t sent = write(descriptor, farewell, farewell_length);
      (void)sent;
    }
    _exit(MECA_SHORTENED_FILE);
  }
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

static void install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = end;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, NULL);
  is_installed = 1;
}

int32_t meca_note_mapping(const void *start, size_t length, const char *path) {
  if (length == 0) return -1;
  int32_t found = -1;
  pthread_mutex_lock(&lock);
  if (!is_installed) install();
  for (int32_t number = 0; number < MOST_MAPPINGS && found < 0; number++) {
    if (atomic_load(&mappings[number].length) == 0) found = number;
  }
  if (found >= 0) {
    Mapping *mapping = &mappings[found];
    mapping->start = (uintptr_t)start;
    strncpy(mapping->path, path, LONGEST_PATH - 1);
    mapping->path[LONGEST_PATH - 1] = 0;
    // A name is one line, whatever it holds.
    for (char *byte = mapping->path; *byte; byte++) {
      if ((unsigned char)*byte < 0x20 || *byte == 0x7f) *byte = '?';
    }
    atomic_store(&mapping->length, length);
  }
  pthread_mutex_unlock(&lock);
  return found;
}

void meca_forget_mapping(int32_t number) {
  if (number >= 0 && number < MOST_MAPPINGS) atomic_store(&mappings[number].length, 0);
}
