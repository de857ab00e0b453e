import Foundation
import MecaCore
import MecaMPI

/// What a rank finds where it runs.
package struct RankFacts: Codable {
  package var rank = 0
  package var host = "host"
  /// Logical processors that it may use, and that its machine has.
  package var cores: [Int] = []
  package var machineCores = 1
  /// Kernels, library and class of the processor.
  package var fingerprint = ""
  /// What there is to say of OpenBLAS's choice of kernels.
  package var blasNote: String?
  /// Bytes that programs may still take on its machine; nil where the system does not tell.
  package var memory: Int?
  /// Bytes free in the shared memory of its machine.
  package var sharedMemory: Int?
  /// What launchers that are gone have left there and in the temporary folder.
  package var leftovers: [String] = []
  /// Whether processes may copy each other's memory.
  package var mayCopyMemory = true
  package var interfaces: [NetworkInterface] = []
  /// Files and connections that it may have open.
  package var openFiles = 1024
  /// Whether it sees the output folder's probe that rank 0 has written; nil without one.
  package var seesOutput: Bool?

  /// Collects them.
  ///
  /// - Ranks: local. The first rank of each machine looks for leftovers.
  package init(
    on communicator: Communicator, isFirstOfHost: Bool, fingerprint: String, blasNote: String?
  ) {
    rank = communicator.rank
    host = communicator.host
    cores = allowedCores()
    machineCores = ProcessInfo.processInfo.processorCount
    self.fingerprint = fingerprint
    self.blasNote = blasNote
    memory = availableMemory()
    sharedMemory = freeRoom(at: "/dev/shm")
    mayCopyMemory = MecaMPI.mayCopyMemory()
    interfaces = networkInterfaces().filter { !$0.isLoopback }
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
      openFiles = Int(clamping: limit.rlim_max)
    }
    if isFirstOfHost { leftovers = launcherLeftovers() }
  }

  /// Made up, for tests.
  package init() {}
}

/// Shared memory and session folders of launchers of this user that are gone.
///
/// A piece of shared memory is in use while some process has it mapped, a session folder while its
/// process (`pid.NUMBER`) is there.
private func launcherLeftovers() -> [String] {
  let shared = entries("/dev/shm").filter {
    $0.hasPrefix("vader_segment.") || $0.hasPrefix("osc_rdma.") || $0.hasPrefix("open_mpi.")
  }.map { "/dev/shm/" + $0 }.filter(isOwn)
  var unused = Set(shared)
  if !unused.isEmpty {
    for process in entries("/proc") where process.allSatisfy(\.isNumber) {
      // What cannot be read belongs to others.
      let maps = (try? String(contentsOfFile: "/proc/\(process)/maps", encoding: .utf8)) ?? ""
      unused = unused.filter { !maps.contains($0) }
    }
  }
  let temporary = NSTemporaryDirectory()
  let sessions = entries(temporary).filter { $0.hasPrefix("ompi.") }.flatMap { session in
    entries(temporary + session).filter { $0.hasPrefix("pid.") }
      .map { (temporary + session + "/" + $0, $0.dropFirst("pid.".count)) }
  }.filter { path, number in
    guard let process = Int32(number), isOwn(path) else { return false }
    return kill(process, 0) != 0 && errno == ESRCH
  }.map(\.0)
  return unused.sorted() + sessions.sorted()
}

private func entries(_ folder: String) -> [String] {
  (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
}

private func isOwn(_ path: String) -> Bool {
  var status = stat()
  return lstat(path, &status) == 0 && status.st_uid == getuid()
}
