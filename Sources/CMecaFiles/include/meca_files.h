// What a process does when a file that is mapped into its memory gets shorter: the system ends it with
// SIGBUS at the first look beyond the new end. Here it says which file, in one line, and exits; whoever
// watches the process over a connection is told that it has said why.
#ifndef MECA_FILES_H
#define MECA_FILES_H

#include <stddef.h>
#include <stdint.h>

// Exit status after such an end: the input data is at fault.
enum { MECA_SHORTENED_FILE = 65 };

// Notes that the bytes from `start` on are those of the file at `path`. Safe from any thread. Returns
// a number for meca_forget_mapping, or -1 where there is no more room: then the system ends the
// process as usual.
int32_t meca_note_mapping(const void *start, size_t length, const char *path);
// Bytes (8 at most) to send to `descriptor` before such an end.
void meca_note_farewell(int descriptor, const void *bytes, size_t count);
// Forgets a mapping that is about to go away.
void meca_forget_mapping(int32_t number);

#endif
