/// Typed doors to MPI for Swift.
///
/// Why this target exists. Three things stop Swift from calling MPI directly:
///
///  1. MPI_COMM_WORLD, MPI_FLOAT, MPI_SUM, MPI_IN_PLACE … are macros with casts, which Swift
///     cannot import. The functions `meca_world()`, `meca_float()` … return them.
///  2. Every handle of Open MPI is a pointer to an incomplete type, which Swift imports as
///     `OpaquePointer`: a datatype given where an operation belongs would compile. The structs
///     below hold one handle each, so that swapped arguments are compile errors.
///  3. In other MPI libraries (MPICH) handles are integers. Behind the structs, Swift code is the
///     same for all of them.
///
/// Every function whose result is `int` returns MPI's error code, MPI_SUCCESS being 0, unless it says
/// something else. Only the Swift module MecaMPI calls these functions.
#ifndef MECA_MPI_H
#define MECA_MPI_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

/// The ranks that a collective call concerns.
typedef struct { MPI_Comm handle; } MecaCommunicator;
/// The element type of a buffer.
typedef struct { MPI_Datatype handle; } MecaDatatype;
/// How a reduction joins two values.
typedef struct { MPI_Op handle; } MecaOperation;
/// A call that has begun and not yet ended.
typedef struct { MPI_Request handle; } MecaRequest;

// Constants that are macros in mpi.h.
static inline MecaCommunicator meca_world(void) { return (MecaCommunicator){MPI_COMM_WORLD}; }
static inline MecaDatatype meca_byte(void) { return (MecaDatatype){MPI_BYTE}; }
static inline MecaDatatype meca_float(void) { return (MecaDatatype){MPI_FLOAT}; }
static inline MecaDatatype meca_int64(void) { return (MecaDatatype){MPI_INT64_T}; }
static inline MecaOperation meca_sum(void) { return (MecaOperation){MPI_SUM}; }
static inline MecaOperation meca_max(void) { return (MecaOperation){MPI_MAX}; }
static inline MecaOperation meca_min(void) { return (MecaOperation){MPI_MIN}; }

/// MPI_Init_thread at level FUNNELED, without arguments: Open MPI needs none, and Swift's own
/// `CommandLine` stays untouched. `*granted` tells whether the level (or a higher one) was given.
int meca_initialise(int *granted);
/// 1 if the system lets processes copy each other's memory, which is tried on this one.
int meca_may_copy_memory(void);
/// MPI_Get_library_version, cut to `capacity`.
int meca_library_version(char *text, size_t capacity);
/// 1 between MPI_Init and MPI_Finalize, otherwise 0.
int meca_is_running(void);
/// MPI_Finalize.
int meca_finalise(void);
/// MPI_Abort; MPI_ERRORS_RETURN does not matter to it.
int meca_abort(MecaCommunicator communicator, int code);
/// Sets MPI_ERRORS_RETURN, a macro in mpi.h: calls return their code and do not end the process.
int meca_errors_return(MecaCommunicator communicator);
/// MPI_Error_string with the buffer length MPI_MAX_ERROR_STRING hidden; the text is cut to
/// `capacity` bytes including the final zero.
void meca_error_text(int code, char *text, size_t capacity);
/// MPI_Get_processor_name, likewise cut to `capacity`.
int meca_processor_name(char *text, size_t capacity);

int meca_rank(MecaCommunicator communicator, int *rank);
int meca_size(MecaCommunicator communicator, int *size);
int meca_barrier(MecaCommunicator communicator);
/// MPI_Ibarrier: `*request` is to be tested until it is done.
int meca_begin_barrier(MecaCommunicator communicator, MecaRequest *request);
/// MPI_Test without a status; `*done` becomes 1 when the call has ended.
int meca_test(MecaRequest *request, int *done);

int meca_broadcast(void *buffer, int count, MecaDatatype type, int root,
                   MecaCommunicator communicator);
/// MPI_Allreduce with MPI_IN_PLACE, a macro, as the source.
int meca_all_reduce_in_place(void *buffer, int count, MecaDatatype type, MecaOperation operation,
                             MecaCommunicator communicator);
/// MPI_Allgatherv with one datatype for both sides.
int meca_all_gather_v(const void *send, int send_count, void *receive, const int *counts,
                      const int *displacements, MecaDatatype type,
                      MecaCommunicator communicator);
/// MPI_Isend: `buffer` must stay as it is until `*request` is done.
int meca_begin_send(const void *buffer, int count, MecaDatatype type, int to, int tag,
                    MecaCommunicator communicator, MecaRequest *request);
/// MPI_Irecv without a status: `buffer` is to be left alone until `*request` is done.
int meca_begin_receive(void *buffer, int count, MecaDatatype type, int from, int tag,
                       MecaCommunicator communicator, MecaRequest *request);
/// MPI_Testall without statuses; `*done` becomes 1 when all calls have ended.
int meca_test_all(MecaRequest *requests, int count, int *done);
/// MPI_Waitall without statuses.
int meca_wait_all(MecaRequest *requests, int count);

/// The processors that this thread may run on, one bit each (sched_getaffinity, which Swift does
/// not see: it is declared only with _GNU_SOURCE). -1 where the system has no such call.
int meca_allowed_processors(uint64_t *bits, size_t bytes);

#endif
