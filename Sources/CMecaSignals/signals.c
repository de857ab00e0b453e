#define _GNU_SOURCE
#include "meca_signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static const int stopping[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP, SIGXCPU};
enum { STOPPING = sizeof stopping / sizeof *stopping };

static _Atomic int noted;
static _Atomic int interrupts;

static void note(int number) {
  int none = 0;
  atomic_compare_exchange_strong(&noted, &none, number);
  if (number == SIGINT && atomic_fetch_add(&interrupts, 1) > 0) {
    // Somebody insists. Delivered as soon as this handler returns, which unblocks it.
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
  }
}

void meca_note_signals(void) {
  for (int each = 0; each < STOPPING; each++) {
    struct sigaction action;
    if (sigaction(stopping[each], NULL, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    memset(&action, 0, sizeof action);
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(stopping[each], &action, NULL);
  }
}

int meca_noted_signal(void) { return atomic_load(&noted); }
