// Signals that ask a run to end: noted by a handler that does nothing else, read by whoever can save.
#ifndef MECA_SIGNALS_H
#define MECA_SIGNALS_H

// From now on the signals that schedulers, launchers and people send before an end (USR1, USR2, TERM,
// INT, HUP, XCPU) are noted and do not end the process. One that the parent has set to be ignored
// stays so, as nohup wants for HUP. A second INT ends the process as usual.
void meca_note_signals(void);
// The number of the first signal that was noted, 0 if none was. Safe from any thread.
int meca_noted_signal(void);

#endif
