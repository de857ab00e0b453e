import Glibc

/// What a program that a test started left behind.
package struct ProgramOutcome: Sendable {
  /// Its exit status, or 128 + the signal that ended it.
  package let status: Int32
  /// What it wrote to standard output.
  package let output: String
  /// What it wrote to standard error.
  package let errors: String
  /// How long it ran.
  package let seconds: Double
  /// True if it was killed because its time was over.
  package let timedOut: Bool
  /// The most memory that it held at once, MB; of `mpirun` without its ranks.
  package let peakMegabytes: Int

  /// The non-empty lines of ``errors`` that our own program wrote, not `mpirun`.
  package var ownErrorLines: [Substring] {
    errors.split(separator: "\n").filter { $0.hasPrefix("meca-dist: ") }
  }
}

/// A test could not start a program.
package struct LaunchError: Error, CustomStringConvertible {
  /// Why.
  package let description: String

  /// An error for the given reason.
  package init(description: String) { self.description = description }
}

/// The folder that the test program itself lies in; SwiftPM puts the executables beside it.
package func productsFolder() throws -> String {
  var bytes = [CChar](repeating: 0, count: 4096)
  let length = readlink("/proc/self/exe", &bytes, bytes.count - 1)
  guard length > 0 else { throw LaunchError(description: "/proc/self/exe cannot be read") }
  let path = String(decoding: bytes[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self)
  return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
}

/// Tests may run in a container as root, where `mpirun` wants to be asked twice.
package let rootMayRunMPI = [
  "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
]

/// Runs `program` of this package on `ranks` ranks under `mpirun`, more than cores if need be.
package func runWithMPI(
  ranks: Int, _ program: String, _ arguments: [String], environment: [String: String] = [:],
  timeout: Double = 60
) throws -> ProgramOutcome {
  try runProgram(
    ["mpirun", "--oversubscribe", "-n", "\(ranks)", try productsFolder() + "/" + program]
      + arguments,
    environment: rootMayRunMPI.merging(environment) { _, own in own }, timeout: timeout)
}

/// Runs a command, found in PATH or by its path, to its end or until `timeout` seconds are over.
package func runProgram(
  _ command: [String], environment: [String: String] = [:], timeout: Double
) throws -> ProgramOutcome {
  try RunningProgram(command, environment: environment).outcome(timeout: timeout)
}

/// A program that a test started and that may still run.
///
/// It gets a process group of its own, which is killed when the time is over. Its output goes
/// through files, so that it never waits for this process to read.
package final class RunningProgram {
  /// Its process, and its process group.
  package let process: Int32
  private let output: OutputFile
  private let errors: OutputFile
  private let start: ContinuousClock.Instant

  /// Starts a command, found in PATH or by its path.
  package init(_ command: [String], environment: [String: String] = [:]) throws {
    output = try OutputFile()
    errors = try OutputFile()
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output.descriptor, 1)
    posix_spawn_file_actions_adddup2(&actions, errors.descriptor, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Threads of a test block most signals, and a child would inherit that.
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
    posix_spawnattr_setpgroup(&attributes, 0)
    var noSignals = sigset_t()
    sigemptyset(&noSignals)
    posix_spawnattr_setsigmask(&attributes, &noSignals)

    let own = try environmentAtStart().filter { text in
      !environment.keys.contains { text.hasPrefix($0 + "=") }
    }
    let variables = environment.map { "\($0.key)=\($0.value)" } + own
    var arguments = command.map { strdup($0) } + [nil]
    var block = variables.map { strdup($0) } + [nil]
    defer { for text in arguments + block { free(text) } }

    var process: pid_t = 0
    start = ContinuousClock.now
    let code = posix_spawnp(&process, command[0], &actions, &attributes, &arguments, &block)
    guard code == 0 else {
      throw LaunchError(description: "\(command[0]): \(String(cString: strerror(code)))")
    }
    self.process = process
  }

  /// What it has written to standard error so far.
  package var errorsSoFar: String { errors.text() }

  /// Waits for its end.
  package func outcome(timeout: Double) -> ProgramOutcome {
    var status: Int32 = 0
    var timedOut = false
    var peak = 0
    while waitpid(process, &status, WNOHANG) == 0 {
      peak = max(peak, peakKilobytes(of: process))
      if !timedOut && ContinuousClock.now - start > .seconds(timeout) {
        timedOut = true
        kill(-process, SIGKILL)
      }
      usleep(5000)
    }
    return ProgramOutcome(
      status: status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f),
      output: output.text(), errors: errors.text(),
      seconds: (ContinuousClock.now - start) / .seconds(1), timedOut: timedOut,
      peakMegabytes: peak / 1000)
  }
}

/// The most memory that a running process has held since it began its program, kB; 0 if it has ended.
///
/// Not the system's account of a child: that begins with what its parent holds.
private func peakKilobytes(of process: Int32) -> Int {
  guard let file = fopen("/proc/\(process)/status", "r") else { return 0 }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 256)
  while fgets(&line, Int32(line.count), file) != nil {
    let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    if text.hasPrefix("VmHWM:") { return Int(text.filter(\.isNumber)) ?? 0 }
  }
  return 0
}

/// The variables that this process was started with.
///
/// Not `environ`: a test that starts MPI in this process fills it with variables that make an
/// `mpirun` started later take itself for one of its own ranks.
private func environmentAtStart() throws -> [String] {
  let descriptor = open("/proc/self/environ", O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else {
    throw LaunchError(description: "/proc/self/environ: \(String(cString: strerror(errno)))")
  }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = read(descriptor, &piece, piece.count)
    guard count > 0 else { break }
    bytes += piece[..<count]
  }
  return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
}

/// A file without a name that a child process writes to.
private final class OutputFile {
  let descriptor: Int32

  init() throws {
    var path = Array("/tmp/meca-test-XXXXXX".utf8CString)
    descriptor = mkstemp(&path)
    guard descriptor >= 0 else {
      throw LaunchError(description: "/tmp: \(String(cString: strerror(errno)))")
    }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)  // other children must not inherit it
    unlink(path)
  }

  deinit { close(descriptor) }

  func text() -> String {
    var bytes = [UInt8](repeating: 0, count: max(0, Int(lseek(descriptor, 0, SEEK_END))))
    let count = max(0, pread(descriptor, &bytes, bytes.count, 0))
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
