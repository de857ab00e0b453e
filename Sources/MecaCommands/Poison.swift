import ArgumentParser
import Foundation
import MecaAttacks
import MecaCore
import MecaDatasets
import MecaMPI
import MecaTraining

/// Kinds of files that `poison` writes.
enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
  /// A PNG file an image, in folders of the classes.
  case png
  /// CIFAR's binary records.
  case cifar
  /// NumPy arrays.
  case npy
  /// As backdoor-toolbox keeps a set.
  case backdoorToolbox = "backdoor-toolbox"
  /// A record of BackdoorBench.
  case backdoorBench = "backdoorbench"

  /// The format for a set with so many classes; nil for the layouts of toolboxes.
  func format(classCount: Int) -> SetFormat? {
    switch self {
    case .png: .png
    case .cifar: .cifar(classCount: classCount)
    case .npy: .npy
    case .backdoorToolbox, .backdoorBench: nil
    }
  }
}

/// Writes a poisoned set as a victim would be given it, with the truth beside it; or one picture of
/// what attacks do.
struct Poison: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a poisoned set into a folder, or show what an attack does (--preview).",
    discussion: """
      --dataset folder, cifar10, cifar100 or npy with --data OUTPUT reads the set back, with the \
      truth about every sample and the triggered test images: train, score and evaluate then need \
      no --attack. --attack none writes the set as it is. --format backdoor-toolbox and \
      backdoorbench write what those read, below --output.
      """)

  @OptionGroup(title: "Data") var data: DataOptions
  @OptionGroup(title: "Attack") var attack: AttackOptions

  @Option(help: "Seed of everything random.")
  var seed: UInt64 = 1

  @Option(help: "Folder for the set.")
  var output: String?

  @Option(
    help: """
      Files of the set: png, cifar (32x32 alone), npy, or the layout of backdoor-toolbox or \
      backdoorbench (default: png).
      """)
  var format: OutputFormat?

  @Flag(help: "Replace a set that is in the output folder already.")
  var force = false

  @Option(
    help: """
      Write no set, but a PNG file with one image under each attack (or under --attack): original, \
      poisoned, difference.
      """)
  var preview: String?

  @Option(
    help: "Preview: index of the image (default: the first of another class than the target).")
  var index: Int?

  @Option(help: "YAML file with the same names as the options; options win over it.")
  var config: String?

  @OptionGroup var settings: UnknownWords

  func validate() throws {
    if (output == nil) == (preview == nil) {
      throw ValidationError("poison wants --output FOLDER for a set, or --preview FILE.png")
    }
    if output == "" { throw ValidationError("--output: must name a folder") }
    if preview == "" { throw ValidationError("--preview: must name a file") }
    if preview == nil && index != nil { throw ValidationError("--index: is for --preview") }
    if preview != nil && format != nil { throw ValidationError("--format: is for --output") }
    if preview != nil && force { throw ValidationError("--force: is for --output") }
  }

  func run(on communicator: Communicator) throws {
    let (images, poison) = try communicator.collectively {
      try requireAtLeast(0, index ?? 0, "index")
      let dataset = try data.chosen().facts
      let showsAll = preview != nil && attack.attack == nil
      let owners =
        try [data.owner()] + (showsAll ? [] : [attack.owner(dataset: dataset)])
      let given = try SettingWords(settings.words, of: Self.self).values(of: owners)
      return (
        try data.resolved(given["dataset"] ?? [:], seed: seed),
        showsAll
          ? try attack.resolvedForAll(seed: seed)
          : try attack.resolved(given["attack"] ?? [:], dataset: dataset, seed: seed)
      )
    }
    if let preview {
      try showPreview(of: poison, images, to: preview, on: communicator)
    } else if let output {
      try writeSet(images, poison, to: output, on: communicator)
    }
  }

  /// Writes the whole set.
  private func writeSet(
    _ images: DataConfiguration, _ poison: AttackConfiguration, to folder: String,
    on communicator: Communicator
  ) throws {
    try communicator.collectively {
      for source in images.paths {
        try requireApart(folder, from: source)
      }
    }
    let data = try TrainingData(images, attack: poison, communicator: communicator)
    try say(data.opening, on: communicator)
    if communicator.rank == 0 {
      for shortfall in data.poisoned?.shortfalls ?? [] { writeLine("warning: \(shortfall)") }
    }
    let writer = try communicator.collectively { () throws -> SetWriter? in
      if attack.attack == nil && !data.truthIsKnown {
        throw UsageError.conflict(
          "poison wants --attack; with --attack none it writes the set as it is")
      }
      guard let format = (format ?? .png).format(classCount: data.classCount) else { return nil }
      return try SetWriter(data, format: format, folder: folder, communicator: communicator)
    }
    guard let writer else {
      try writeForToolbox(data, of: images, to: folder, on: communicator)
      return
    }
    let record = try writer.write(force: force, program: MecaDist.configuration.version)
    guard communicator.rank == 0 else { return }
    let counts = record.counts
    printLines(
      "\(counts.train) training, \(counts.test) test and \(counts.triggered) triggered test images "
        + "written to \(printable(folder))")
    if let attack = record.attack {
      printLines(
        "\(attack.name): \(counts.poison) poisoned (\(fixed(record.poisonRate * 100, 2)) %)"
          + ", \(counts.cover) covers (\(fixed(record.coverRate * 100, 2)) %), target class "
          + "\(classWords(attack.target, record.facts.classNames))")
    }
    print("manifest_sha256 \(record.manifestSHA256)")
  }
}

/// Refuses to write into the folder that is read, one around it, or one in it: while a set is
/// written, its source must stay as it is.
///
/// - Ranks: local.
/// - Throws: `UsageError.conflict`.
private func requireApart(_ output: String, from source: String) throws {
  let (own, other) = (components(output), components(source))
  guard own.starts(with: other) || other.starts(with: own) else { return }
  throw UsageError.conflict(
    "--output \(output): overlaps with \(source), which is read; choose a folder outside of it")
}

/// The parts of a path without links and relative parts; what is not there yet counts as it is
/// written.
private func components(_ path: String) -> [String] {
  var (there, rest) = (URL(fileURLWithPath: path).standardizedFileURL, [String]())
  while access(there.path, F_OK) != 0, there.path != "/" {
    rest.insert(there.lastPathComponent, at: 0)
    there.deleteLastPathComponent()
  }
  return URL(fileURLWithPath: realPath(there.path)).pathComponents + rest
}
