import Foundation
import MecaCore
import MecaMPI
import MecaTraining

/// The figures of one benchmark run; rates in images per second over all ranks.
///
/// GFLOP/s count two operations for each multiplication of the direct convolutions, whatever
/// algorithm computed them, over all ranks; `peakGigaflops` is that of one core.
struct BenchFigures: Encodable {
  var train: Double?
  var eval: Double?
  var score: Double?
  var trainGigaflops: Double?
  var evalGigaflops: Double?
  var scoreGigaflops: Double?
  /// Images that one thread brings into a microbatch in a second.
  var loading = 0.0
  /// The same with crop and flip.
  var loadingCropped = 0.0
  /// The same with flip, jitter and affine.
  var loadingTransformed = 0.0
  /// All-reduces by size; nil for a single rank.
  var reductions: [ReductionCost]?
  /// Training, then evaluation.
  var layers: [LayerTable]?
  /// Largest resident set of rank 0, mapped files included.
  var rssMegabytes = 0.0
  /// Rank 0's memory at the end without mapped files.
  var anonymousMegabytes: Double?
  var model: String
  var width: Int
  var stem: String
  var ranks: Int
  var threads: Int
  var batch: Int
  var precision: String
  var engine: String
  /// Library, version, instruction set.
  var kernels: String
  var samples: Int
  var peakGigaflops: Double?

  private enum CodingKeys: String, CodingKey {
    case train, eval, score, model, width, stem, ranks, threads, batch, precision, engine, kernels
    case samples, reductions, layers
    case trainGigaflops = "train_gflops", evalGigaflops = "eval_gflops"
    case scoreGigaflops = "score_gflops", peakGigaflops = "peak_gflops"
    case loading = "load", loadingCropped = "load_crop_flip"
    case loadingTransformed = "load_physical"
    case rssMegabytes = "rss_mb", anonymousMegabytes = "rss_anon_mb"
  }

  init(
    model: String, width: Int, stem: String, ranks: Int, threads: Int, batch: Int,
    precision: String, engine: String, kernels: String, samples: Int, peakGigaflops: Double?
  ) {
    self.model = model
    self.width = width
    self.stem = stem
    self.ranks = ranks
    self.threads = threads
    self.batch = batch
    self.precision = precision
    self.engine = engine
    self.kernels = kernels
    self.samples = samples
    self.peakGigaflops = peakGigaflops
  }

  /// One line of JSON, numbers to a thousandth.
  func jsonLine() throws -> String {
    let encoder = JSONEncoder()
    let object = try JSONSerialization.jsonObject(with: encoder.encode(self))
    let line = try JSONSerialization.data(
      withJSONObject: rounded(object), options: [.sortedKeys, .withoutEscapingSlashes])
    return String(decoding: line, as: UTF8.self)
  }

  private func rounded(_ value: Any) -> Any {
    switch value {
    case let list as [Any]: list.map(rounded)
    case let object as [String: Any]: object.mapValues(rounded)
    case let number as Double where number != number.rounded(): (number * 1000).rounded() / 1000
    default: value
    }
  }

  /// The tables for people.
  var text: String {
    var lines = [
      "\(model), width \(width), \(stem) stem, \(engine) \(precision), \(ranks) ranks x \(threads) threads, "
        + "batch \(batch); \(kernels)"
    ]
    let rates = [
      ("training", train, trainGigaflops), ("evaluation", eval, evalGigaflops),
      ("scoring", score, scoreGigaflops),
    ]
    for case (let name, let rate?, let gigaflops?) in rates {
      var line =
        "  \(column(name, 12))\(number(rate, 1, 9)) images/s \(number(gigaflops, 0, 7)) GFLOP/s"
      if let peak = peakGigaflops {
        let cores = Double(ranks * threads)
        line += ", \(fixed(gigaflops / cores / peak, 2)) of the peak of \(fixed(peak, 0)) a core"
      }
      lines.append(line)
    }
    lines.append(
      "  \(column("loading", 12))\(number(loading, 0, 9)) images/s on one thread; with "
        + "crop,flip \(fixed(loadingCropped, 0)), with flip,jitter,affine "
        + fixed(loadingTransformed, 0))
    for row in reductions ?? [] {
      lines.append(
        "  all-reduce of \(number(Double(row.bytes) / 1e6, 2, 6)) MB: "
          + "\(fixed(row.orderedMilliseconds, 3)) ms in the order of the tree, "
          + "\(fixed(row.plainMilliseconds, 3)) ms by MPI_Allreduce, "
          + "\(fixed(row.gigabytesPerSecond, 2)) GB/s")
    }
    lines.append("  peak memory of rank 0: \(fixed(rssMegabytes, 0)) MB")
    return (lines + (layers ?? []).map { "\n" + $0.text }).joined(separator: "\n")
  }

  private func column(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private func number(_ value: Double, _ digits: Int, _ width: Int) -> String {
    let text = fixed(value, digits)
    return String(repeating: " ", count: max(0, width - text.count)) + text
  }
}

/// This process's memory in MB: the largest resident set so far, and what of it now is no file.
func memoryMegabytes() -> (peak: Double, anonymous: Double?) {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
  let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
  let kilobytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first
  return (
    (Double(usage.ru_maxrss) / 1024).rounded(),
    kilobytes.flatMap { Double($0) }.map { ($0 / 1024).rounded() }
  )
}
