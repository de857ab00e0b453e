import Foundation
import MecaTestSupport
import Testing

/// All tests that start the built program; one at a time, so that their time limits mean something.
@Suite(.serialized) enum ProgramTests {}

/// A whole run of a second or two: every phase, a few steps each.
///
/// Nearly a third of the samples carry a square of 14 pixels, which even this finds, with either
/// engine and any instruction set: lists that are to be compared must not be empty. Neither count of
/// samples is a multiple of a batch. Four iterations, so that later rates adapt and a state is left
/// out.
let tinyRun = tinyTraining + ["--poison-rate", "0.3", "--trigger-size", "14"]

/// The same without a word on the attack; suspects come from unlearning alone, which has the most
/// stages.
let tinyTraining =
  tinyModel + [
    "--proposers", "unlearning", "--warmup-epochs", "8", "--partition-rates", "0.3,0.3,0.3,0.3",
    "--confirm-epochs", "12",
    "--relearn-epochs", "1", "--separation-threshold", "0.05", "--separation-ratio", "0.1",
    "--carry-over", "0", "--content-chance", "1", "--warmup-rate", "0.1", "--detector-weight-decay",
    "5e-4",
  ]

/// What of it is no setting of a defence.
let tinyModel = [
  "--train-limit", "150", "--test-limit", "70", "--width", "4", "--batch", "32", "--epochs", "1",
  "--augment", "none",
]

/// The longest that ending a run may take after something went wrong; two seconds are usual.
let soon = 30.0

/// Starts the built program under `mpirun`, and alone where `ranks` is 0.
func meca(
  ranks: Int = 0, _ arguments: [String], timeout: Double = 120
) throws -> ProgramOutcome {
  if ranks > 0 { return try runWithMPI(ranks: ranks, "meca-dist", arguments, timeout: timeout) }
  return try runProgram(
    [try program()] + arguments, environment: rootMayRunMPI, timeout: timeout)
}

/// The built program's path.
func program() throws -> String { try productsFolder() + "/meca-dist" }

/// All folders of this process's tests; goes away with the process, since what is made once for
/// several tests has no owner that ends before it.
private let allFolders: String = {
  atexit { try? FileManager.default.removeItem(atPath: allFolders) }
  return NSTemporaryDirectory() + "meca-commands-\(getpid())"
}()

/// A folder of its own that goes away with its owner.
final class TestFolder: Sendable {
  let path: String
  private let isOwn: Bool

  init() throws {
    path = allFolders + "/" + UUID().uuidString
    isOwn = true
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// A folder that is somebody else's, or not there yet; it stays.
  init(path: String) {
    self.path = path
    isOwn = false
  }

  deinit { if isOwn { try? FileManager.default.removeItem(atPath: path) } }

  func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path + "/" + name) }

  func bytes(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: path + "/" + name))
  }

  /// Writes a file, in a new folder if need be.
  @discardableResult
  func write(_ name: String, _ content: Data) throws -> String {
    let file = URL(fileURLWithPath: path + "/" + name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try content.write(to: file)
    return file.path
  }
}

/// Everything of a run that must not depend on how it was computed.
struct RunBits: Equatable, CustomStringConvertible {
  var weights: String
  var suspects: Data
  var scores: Data
  var model: Data

  init(_ folder: TestFolder) throws {
    weights = try #require(try result(folder)["weights_sha256"] as? String)
    suspects = try folder.bytes("suspects.csv")
    scores = try folder.bytes("scores.npy")
    model = try folder.bytes("model.safetensors")
  }

  /// Number of lines of the suspects' list below its head.
  var suspectCount: Int { suspects.filter { $0 == UInt8(ascii: "\n") }.count - 1 }

  var description: String { "\(weights) with \(suspectCount) suspects" }
}

/// The content of `result.json`.
func result(_ folder: TestFolder) throws -> [String: Any] {
  try #require(
    try JSONSerialization.jsonObject(with: try folder.bytes("result.json")) as? [String: Any])
}

/// The lines of `metrics.jsonl`.
func metrics(_ folder: TestFolder) throws -> [[String: Any]] {
  try folder.bytes("metrics.jsonl").split(separator: UInt8(ascii: "\n")).map {
    try #require(try JSONSerialization.jsonObject(with: $0) as? [String: Any])
  }
}

/// One complete run that several tests look at; made once, by whoever needs it first.
let referenceRun: Result<TestFolder, any Error> = Result {
  let folder = try TestFolder()
  let outcome = try meca(tinyRun + ["--output", folder.path])
  guard outcome.status == 0 else { throw LaunchError(description: outcome.errors) }
  return folder
}

/// The processes named meca-dist whose ancestor is `ancestor`.
func ranks(under ancestor: Int32) -> [Int32] {
  var parents: [Int32: Int32] = [:]
  var programs: Set<Int32> = []
  for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
    guard let process = Int32(name),
      let line = try? String(contentsOfFile: "/proc/\(name)/stat", encoding: .utf8),
      let end = line.lastIndex(of: ")")
    else { continue }
    let fields = line[line.index(after: end)...].split(separator: " ")
    parents[process] = Int32(fields[1])
    if line.contains("(meca-dist)"), fields[0] != "Z" { programs.insert(process) }
  }
  return programs.sorted().filter { program in
    var process: Int32? = program
    while let current = process, current != 0, current != ancestor {
      process = parents[current]
    }
    return process == ancestor
  }
}

/// Number of epochs that the log of a run tells of.
func epochs(in folder: TestFolder) -> Int {
  let log = (try? folder.bytes("metrics.jsonl")).map { String(decoding: $0, as: UTF8.self) }
  return (log ?? "").components(separatedBy: #""event":"epoch""#).count - 1
}

/// Waits, a minute at most, until a run has trained an epoch more.
func waitForEpoch(in folder: TestFolder, after before: Int) {
  let start = ContinuousClock.now
  while epochs(in: folder) <= before, ContinuousClock.now - start < .seconds(60) { usleep(2000) }
}
