import MecaAttacks
import MecaCore
import MecaData
import MecaMPI
import MecaReport
import MecaTraining

extension Poison {
  /// `--attack all`, which means every attack, as a preview without `--attack` does.
  private static let everything = "all"

  /// The command's arguments without `--attack all`, which the parser does not know; only for
  /// previews.
  static func withoutAll(_ arguments: [String]) -> [String] {
    let isPreview = arguments.contains { $0 == "--preview" || $0.hasPrefix("--preview=") }
    guard arguments.first == _commandName, isPreview else { return arguments }
    var result: [String] = []
    for argument in arguments where argument != "--attack=\(everything)" {
      if argument == everything, result.last == "--attack" {
        result.removeLast()
      } else {
        result.append(argument)
      }
    }
    return result
  }

  /// Writes the picture of what an attack, or each attack, does to one training image.
  ///
  /// - Ranks: collective.
  func showPreview(
    of poison: AttackConfiguration, _ images: DataConfiguration, to path: String,
    on communicator: Communicator
  ) throws {
    try communicator.collectively { if communicator.rank == 0 { try requireReplaceable(path) } }
    let data = try TrainingData(images, attack: .init(kind: .none), communicator: communicator)
    try communicator.collectively {
      guard communicator.rank == 0 else { return }
      let set = data.training
      let kinds =
        attack.attack.map { [$0] } ?? AttackKind.allCases.filter { $0 != .none }
      let attacks = try kinds.map { kind in
        if attack.attack != nil { return poison }
        var all = AttackConfiguration(kind: kind, target: poison.target, seed: poison.seed)
        // The square of TaCT leads from a class of its own.
        if all.source == all.target { all.source = all.target == 0 ? 1 : 0 }
        try all.validate(classCount: data.classCount, imageShape: set.imageShape)
        return all
      }
      for attack in attacks {
        try attack.validate(classCount: data.classCount, imageShape: set.imageShape)
      }
      let own = index ?? (0..<set.count).first { set.label(at: $0) != poison.target } ?? 0
      guard own < set.count else {
        throw SettingError(
          setting: "index", value: "\(own)", allowed: "0 to \(set.count - 1)")
      }
      let image = set.image(at: own)
      if let fault = set.fault { throw fault }
      let previews = try attacks.flatMap {
        try AttackPreview.all(of: $0, on: image, shape: set.imageShape)
      }
      let png = try previewSheet(previews, original: image, shape: set.imageShape)
      try png.withUnsafeBytes { try replaceFile(at: path, with: [$0]) }
      print(
        "training image \(own) (\(set.path(at: own)), \(data.training.classNames[set.label(at: own)]))"
          + " written to \(path)")
    }
  }
}
