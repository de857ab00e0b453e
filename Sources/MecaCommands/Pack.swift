import ArgumentParser
import Foundation
import MecaCore
import MecaDatasets
import MecaFormats
import MecaImages
import MecaMPI
import MecaTraining

/// Writes a set into one file that every rank can map into memory.
struct Pack: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a set into one file, for file systems that hate small files.",
    discussion: """
      --dataset packed --data FILE reads it back: same images, labels, paths and normalisation, and \
      for a poisoned set the truth and the triggered test images. Every byte is under a SHA-256. \
      The file does not depend on the number of ranks. --tar writes tar files of PNGs and labels for \
      other programs instead.
      """)

  @OptionGroup(title: "Data") var data: DataOptions

  @Option(help: "Seed of the built-in set's images, and of held-out test images.")
  var seed: UInt64 = 1

  @Option(help: "The file; with --tar a folder.")
  var output: String

  @Flag(
    help: """
      Write tar files of 1,000 samples each, NNNNNN.png and NNNNNN.cls (the label), as WebDataset \
      reads them.
      """)
  var tar = false

  @Option(help: "YAML file with the same names as the options; options win over it.")
  var config: String?

  @OptionGroup var settings: UnknownWords

  func validate() throws {
    if output.isEmpty { throw ValidationError("--output: must name a file") }
  }

  func run(on communicator: Communicator) throws {
    let configuration = try communicator.collectively {
      if communicator.rank == 0, !tar { try requireReplaceable(output) }
      let given = try SettingWords(settings.words, of: Self.self).values(of: [try data.owner()])
      return try data.resolved(given["dataset"] ?? [:], seed: seed)
    }
    let opened = try TrainingData(
      configuration, attack: .none, communicator: communicator)
    try say(opened.opening, on: communicator)
    if tar {
      let count = try TarShards(opened, folder: output, communicator: communicator).write()
      if communicator.rank == 0 {
        printLines("\(count) tar files of \(opened.training.name) written to \(output)")
      }
      return
    }
    let (sets, layout) = try communicator.collectively { try Self.layout(of: opened) }
    let file = try SharedFile(
      path: output, count: layout.indexOffset, communicator: communicator)
    let parts = (0..<communicator.size).map {
      evenSplit(0..<layout.blockCount, parts: communicator.size, part: $0)
    }
    let own = try file.fill { file -> [UInt8] in
      try Self.write(parts[communicator.rank], of: sets, layout, to: file)
    }
    let digests = try communicator.allGather(local: own, counts: parts.map { $0.count * 32 })
    let digest = try file.fill { file -> String in
      try opened.watch.check()
      guard communicator.rank == 0 else { return "" }
      let index = try layout.index(
        of: sets, testIndices: opened.triggered?.testIndices ?? [], digests: digests)
      try file.write(index, at: layout.indexOffset)
      try file.write(layout.header(index: index), at: 0)
      var digest = SHA256Digest()
      digest.update(index)
      return digest.hexadecimal()
    }
    try file.finish()
    guard communicator.rank == 0 else { return }
    let triggered = opened.triggered.map { ", \($0.count) triggered test" } ?? ""
    printLines(
      "\(opened.training.count) training, \(opened.test.count) test\(triggered) images of "
        + "\(opened.training.name) packed into \(output)")
    print("index_sha256 \(digest)")
  }

  /// The parts of a set and where they will lie.
  private static func layout(
    of data: TrainingData
  ) throws -> (sets: [SetPart: any ImageSet], PackedLayout) {
    var sets: [SetPart: any ImageSet] = [.train: data.training, .test: data.test]
    if let triggered = data.triggered { sets[.triggered] = triggered }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let attack =
      data.attack.isNone
      ? nil : String(decoding: try encoder.encode(data.attack), as: UTF8.self)
    let description = PackedDescription(
      facts: SetFacts(of: data.training),
      parts: SetPart.allCases.compactMap { part in
        sets[part].map {
          .init(part: part, count: $0.count, hasTruth: part == .train && data.truthIsKnown)
        }
      }, attack: attack, target: data.triggered?.target)
    return (sets, PackedLayout(description))
  }

  /// Writes some blocks of images.
  ///
  /// - Returns: the SHA-256 of each, one after the other.
  private static func write(
    _ blocks: Range<Int>, of sets: [SetPart: any ImageSet], _ layout: PackedLayout,
    to file: PartialFile
  ) throws -> [UInt8] {
    var digests: [UInt8] = []
    for number in blocks {
      guard let set = sets[layout.block(number).part] else { continue }
      let content = try layout.content(ofBlock: number, from: set)
      try file.write(content, at: layout.bytes(ofBlock: number).lowerBound)
      var digest = SHA256Digest()
      digest.update(content)
      digests += digest.bytes()
    }
    return digests
  }
}
