import MecaCore
import MecaMPI
import MecaNN
import MecaTensor

/// What every stage of a run shares: the ranks, the kernels, the layout of a step, the log.
///
/// The training loop, the scoring loop and the evaluation loop are its extensions, one file each;
/// a defence composes them.
public final class TrainingSession {
  /// All ranks of the run.
  public let communicator: Communicator
  /// Layout of the arithmetic.
  public let compute: ComputeConfiguration
  /// Kernels of this rank.
  public let engine: any Engine
  /// Where progress and metrics go.
  public let journal: Journal
  /// Whether gradients are exchanged while the last of them are still computed.
  public let overlapsExchange: Bool
  /// Who may ask the run to stop before it is done.
  let stopRequests: StopRequests
  /// Tells people how far the run is; nil where nobody is told, as on other ranks than 0.
  public var report: ProgressReport?
  /// Called when a stage has ended and is saved, on rank 0 alone.
  public var afterStage: ((StageKey) -> Void)?
  /// Notes what this rank does when; nil where nobody wants to know.
  public var trace: RunTrace?
  /// How far the running stage is; nil outside of stages.
  var progress: StageProgress?
  /// Steps since the ranks have compared their weights.
  var uncomparedSteps = 0
  /// Images trained so far, and how long it took.
  var throughput = Throughput()
  /// Images trained per second over all phases, all ranks together.
  public var trainingImagesPerSecond: Double { throughput.rate }
  /// Samples of an evaluation or scoring batch; fixed, so that results depend on nothing else.
  public static let evaluationBatch = 32

  /// Starts the kernels and checks that all ranks would compute the same bits.
  ///
  /// - Ranks: collective.
  /// - Parameter stopRequests: signals and a deadline that this rank obeys.
  /// - Throws: `RemoteFailure` on all ranks with `UsageError` for an impossible layout, with
  ///   `UnequalRanks` for a mixed set of machines.
  public init(
    communicator: Communicator, compute: ComputeConfiguration, journal: Journal,
    stopRequests: StopRequests = .none
  ) throws {
    self.communicator = communicator
    self.compute = compute
    self.journal = journal
    self.stopRequests = stopRequests
    engine = try communicator.collectively {
      try compute.validate(ranks: communicator.size)
      return try compute.makeEngine()
    }
    overlapsExchange = compute.overlap.isOn(communicator)
    let cores = allowedCores().count
    if cores > 0, cores < compute.threads {
      journal.warn(
        "--threads \(compute.threads), but rank 0 may use \(cores) cores: the rest gains nothing; "
          + "see --map-by and --bind-to of mpirun")
    }
    if let other = try communicator.firstDifference(in: engine.fingerprint) {
      try communicator.collectively {
        throw UnequalRanks(rank: other.rank, fingerprint: other.text, expected: other.expected)
      }
    }
  }

  /// The logical shards that this rank computes.
  var ownShards: Range<Int> {
    shardRange(rank: communicator.rank, size: communicator.size, shards: compute.shards)
  }

  /// Runs `work` once per compute thread; thread 0 is the caller when there is only one.
  func onEachThread(_ work: (Int) -> Void) {
    runOnThreads(compute.threads, work)
  }
}

extension OverlapChoice {
  /// The choice for the ranks of this run, the same on every rank.
  func isOn(_ communicator: Communicator) -> Bool {
    switch self {
    case .on: communicator.size > 1
    case .off: false
    case .auto: Set(communicator.hosts).count > 1
    }
  }
}

/// Work done over time.
struct Throughput {
  private var images = 0
  private var seconds = 0.0

  mutating func add(images: Int, seconds: Double) {
    self.images += images
    self.seconds += seconds
  }

  /// Images per second; 0 before anything was done.
  var rate: Double { seconds > 0 ? Double(images) / seconds : 0 }
}

/// Ranks on machines that would compute different bits.
public struct UnequalRanks: ReportableError {
  /// The first rank that differs from rank 0.
  public let rank: Int
  /// Its kernel library, version and processor class.
  public let fingerprint: String
  /// Those of rank 0.
  public let expected: String

  /// The process's exit status.
  public var exitCode: ExitCode { .usage }

  /// One line for people.
  public var description: String {
    "rank \(rank) computes with \(fingerprint), rank 0 with \(expected); results would differ "
      + "from run to run: use hosts of one kind, or --engine openblas with one OPENBLAS_CORETYPE "
      + "on all"
  }
}

extension TrainingSession {
  /// What rank 0 computes from facts that all ranks have, on every rank.
  ///
  /// Decisions go this way: functions like log and exp may differ in the last digit between hosts,
  /// and lists that differ by one sample would stop the run, or worse.
  ///
  /// - Ranks: collective; `decide` runs on rank 0 alone.
  public func decided<Element: BitwiseCopyable>(
    _ decide: () -> [Element]
  ) throws -> [Element] {
    try act("decide") { values in
      var columns = Columns()
      columns["values"] = .bytes(values.withUnsafeBytes { Array($0) })
      return columns
    } decode: { columns in
      let bytes = try columns.bytes("values")
      return [Element](unsafeUninitializedCapacity: bytes.count / MemoryLayout<Element>.stride) {
        UnsafeMutableRawBufferPointer($0).copyBytes(from: bytes)
        $1 = bytes.count / MemoryLayout<Element>.stride
      }
    } compute: { _ in
      var values = communicator.rank == 0 ? decide() : []
      try communicator.broadcast(&values, from: 0)
      return values
    }
  }
}
