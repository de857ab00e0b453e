import ArgumentParser
import Foundation
import MecaCore
import MecaMPI
import MecaTensor
import MecaTraining

/// Says what will make a run slow or hang where it is started.
struct Doctor: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look for what will make this allocation slow or hang, with the remedy of each.",
    discussion: """
      Start it as the run would be: mpirun -n 8 meca-dist doctor. It takes some seconds, and ends with \
      status 1 if a run would be refused or hang.
      """)

  @OptionGroup(title: "Compute") var compute: ComputeOptions

  @Option(help: "Folder that the run would write to.")
  var output: String = "meca-run"

  func run(on communicator: Communicator) throws {
    let layout = compute.resolved(ranks: communicator.size)
    let refusal = refusal(of: layout, ranks: communicator.size)
    let fingerprint = (try? layout.makeEngine().fingerprint) ?? "no engine"
    let probe = communicator.rank == 0 ? FolderProbe(at: output) : FolderProbe()
    let seesOutput = try seesProbe(in: probe, communicator)
    var own = RankFacts(
      on: communicator,
      isFirstOfHost: communicator.hosts.firstIndex(of: communicator.host) == communicator.rank,
      fingerprint: fingerprint, blasNote: layout.engine == .openblas ? OpenBLASCoreType.note : nil)
    own.seesOutput = seesOutput
    let text = String(decoding: try JSONEncoder().encode(own), as: UTF8.self)
    let all = try communicator.allGatherText(text).map {
      try JSONDecoder().decode(RankFacts.self, from: Data($0.utf8))
    }
    let exchange =
      communicator.size > 1
      ? try communicator.measureReductions(
        floats: [1 << 10, 1 << 20], shards: max(communicator.size, layout.shards), repetitions: 5)
      : []
    var diagnosis = Diagnosis(ranks: all)
    diagnosis.threads = layout.threads
    diagnosis.refusal = refusal
    diagnosis.output = probe
    diagnosis.exchange = exchange
    diagnosis.timeLeft = slurmEnd().map { $0 - Date().timeIntervalSince1970 }
    let complaints = diagnosis.complaints
    if communicator.rank == 0 { say(diagnosis, complaints) }
    try communicator.collectively {
      if complaints.contains(where: { $0.kind == .bad }) { throw BadAllocation() }
    }
  }

  private func refusal(of layout: ComputeConfiguration, ranks: Int) -> String? {
    do {
      try layout.validate(ranks: ranks)
      _ = try layout.makeEngine()
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// Whether this rank sees a file that rank 0 has just written; nil where it could write none.
  private func seesProbe(in probe: FolderProbe, _ communicator: Communicator) throws -> Bool? {
    let name = "\(probe.path)/.meca-doctor-seen-\(getpid())"
    let path = try communicator.broadcastText(name)
    let isThere =
      communicator.rank == 0 && probe.problem == nil
      && (try? writeWhole(Data("seen".utf8), to: path)) != nil
    guard try communicator.broadcastValue(isThere) else { return nil }
    let absolute = try communicator.broadcastText(
      path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path)
    let sees = access(absolute, F_OK) == 0
    try communicator.barrier()
    if communicator.rank == 0 { unlink(path) }
    return sees
  }

  private func say(_ diagnosis: Diagnosis, _ complaints: [Complaint]) {
    var lines = [diagnosis.summary, libraryVersion(), "kernels: \(diagnosis.ranks[0].fingerprint)"]
    if let small = diagnosis.exchange.first, let large = diagnosis.exchange.last {
      lines.append(
        "exchange: \(fixed(small.orderedMilliseconds, 2)) ms for 4 kB, "
          + "\(fixed(large.orderedMilliseconds, 1)) ms for 4 MB "
          + "(\(fixed(large.gigabytesPerSecond, 2)) GB/s a rank)")
    }
    if diagnosis.output.problem == nil {
      lines.append(
        "output: \(diagnosis.output.path)\(diagnosis.output.kind.map { ", \($0)" } ?? ""), "
          + "\(fixed(diagnosis.output.milliseconds, 1)) ms a small file"
          + (diagnosis.output.room.map { ", \(fixed(Double($0) / 1e9, 1)) GB free" } ?? ""))
    }
    lines.append(
      diagnosis.timeLeft.map { "time left: \(fixed($0 / 60, 0)) minutes" }
        ?? "time left: not known; --deadline tells the run")
    for complaint in complaints {
      lines.append("\(complaint.kind.rawValue): \(complaint.text)")
      lines.append("  remedy: \(complaint.remedy)")
    }
    if complaints.isEmpty { lines.append("nothing to complain of") }
    printLines(lines.joined(separator: "\n"))
  }
}

/// The doctor has found what keeps a run from going.
struct BadAllocation: ReportableError {
  var exitCode: MecaCore.ExitCode { .verdict }
  var description: String { "a run would be refused here, or hang; the lines above say why" }
}
