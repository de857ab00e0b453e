#define _GNU_SOURCE
#include "meca_mpi.h"

#ifdef __linux__
#include <sched.h>
#endif
#include <string.h>

int meca_initialise(int *granted) {
  int provided = MPI_THREAD_SINGLE;
  int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  *granted = provided >= MPI_THREAD_FUNNELED;
  return code;
}

int meca_is_running(void) {
  int begun = 0, ended = 0;
  MPI_Initialized(&begun);
  MPI_Finalized(&ended);
  return begun && !ended;
}

int meca_finalise(void) { return MPI_Finalize(); }

int meca_abort(MecaCommunicator communicator, int code) {
  return MPI_Abort(communicator.handle, code);
}

int meca_errors_return(MecaCommunicator communicator) {
  return MPI_Comm_set_errhandler(communicator.handle, MPI_ERRORS_RETURN);
}

static void copy_text(char *to, size_t capacity, const char *from) {
  if (capacity == 0) return;
  strncpy(to, from, capacity - 1);
  to[capacity - 1] = 0;
}

void meca_error_text(int code, char *text, size_t capacity) {
  char buffer[MPI_MAX_ERROR_STRING + 1] = {0};
  int length = 0;
  if (MPI_Error_string(code, buffer, &length) != MPI_SUCCESS)
    copy_text(buffer, sizeof buffer, "unknown error code");
  copy_text(text, capacity, buffer);
}

int meca_processor_name(char *text, size_t capacity) {
  char buffer[MPI_MAX_PROCESSOR_NAME + 1] = {0};
  int length = 0;
  int code = MPI_Get_processor_name(buffer, &length);
  copy_text(text, capacity, buffer);
  return code;
}

int meca_library_version(char *text, size_t capacity) {
  char buffer[MPI_MAX_LIBRARY_VERSION_STRING] = {0};
  int length = 0;
  int code = MPI_Get_library_version(buffer, &length);
  copy_text(text, capacity, buffer);
  return code;
}

int meca_rank(MecaCommunicator communicator, int *rank) {
  return MPI_Comm_rank(communicator.handle, rank);
}

int meca_size(MecaCommunicator communicator, int *size) {
  return MPI_Comm_size(communicator.handle, size);
}

int meca_barrier(MecaCommunicator communicator) { return MPI_Barrier(communicator.handle); }

int meca_begin_barrier(MecaCommunicator communicator, MecaRequest *request) {
  return MPI_Ibarrier(communicator.handle, &request->handle);
}

int meca_test(MecaRequest *request, int *done) {
  return MPI_Test(&request->handle, done, MPI_STATUS_IGNORE);
}

int meca_broadcast(void *buffer, int count, MecaDatatype type, int root,
                   MecaCommunicator communicator) {
  return MPI_Bcast(buffer, count, type.handle, root, communicator.handle);
}

int meca_all_reduce_in_place(void *buffer, int count, MecaDatatype type, MecaOperation operation,
                             MecaCommunicator communicator) {
  return MPI_Allreduce(MPI_IN_PLACE, buffer, count, type.handle, operation.handle,
                       communicator.handle);
}

int meca_all_gather_v(const void *send, int send_count, void *receive, const int *counts,
                      const int *displacements, MecaDatatype type,
                      MecaCommunicator communicator) {
  return MPI_Allgatherv(send, send_count, type.handle, receive, counts, displacements,
                        type.handle, communicator.handle);
}

int meca_begin_send(const void *buffer, int count, MecaDatatype type, int to, int tag,
                    MecaCommunicator communicator, MecaRequest *request) {
  return MPI_Isend(buffer, count, type.handle, to, tag, communicator.handle, &request->handle);
}

int meca_begin_receive(void *buffer, int count, MecaDatatype type, int from, int tag,
                       MecaCommunicator communicator, MecaRequest *request) {
  return MPI_Irecv(buffer, count, type.handle, from, tag, communicator.handle, &request->handle);
}

// A struct of one member has the layout of that member, and so have arrays of it.
int meca_test_all(MecaRequest *requests, int count, int *done) {
  return MPI_Testall(count, &requests->handle, done, MPI_STATUSES_IGNORE);
}

int meca_wait_all(MecaRequest *requests, int count) {
  return MPI_Waitall(count, &requests->handle, MPI_STATUSES_IGNORE);
}

int meca_allowed_processors(uint64_t *bits, size_t bytes) {
#ifdef __linux__
  return sched_getaffinity(0, bytes, (cpu_set_t *)bits);
#else
  (void)bits;
  (void)bytes;
  return -1;
#endif
}
