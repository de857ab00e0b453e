import MecaAttacks
import MecaCore
import MecaDatasets
import MecaImages
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

  /// The attacks to show: the one that was named, or each with its defaults.
  private func attacks(
    _ poison: AttackConfiguration, target: Int, classNames: [String]
  ) throws -> [AttackConfiguration] {
    if attack.attack != nil { return [try poison.resolved(among: classNames)] }
    return try Attacks.all.filter { $0 != NoAttack.self }.map { kind in
      var all = AttackConfiguration(kind, target: .number(target), seed: poison.seed)
      // The square of TaCT leads from a class of its own.
      if all.attack.source == target { try all.set(["source": target == 0 ? "#1" : "#0"]) }
      return try all.resolved(among: classNames)
    }
  }

  /// Writes the picture of what an attack, or each attack, does to one training image.
  ///
  /// - Ranks: collective.
  func showPreview(
    of poison: AttackConfiguration, _ images: DataConfiguration, to path: String,
    on communicator: Communicator
  ) throws {
    try communicator.collectively { if communicator.rank == 0 { try requireReplaceable(path) } }
    let data = try TrainingData(images, attack: .none, communicator: communicator)
    try say(data.opening, on: communicator)
    try communicator.collectively {
      guard communicator.rank == 0 else { return }
      let set = data.training
      let target = try poison.targetClass.number(among: set.classNames, setting: "target")
      let attacks = try self.attacks(poison, target: target, classNames: set.classNames)
      for attack in attacks {
        try attack.validate(classCount: data.classCount, imageShape: set.imageShape)
      }
      let own = index ?? (0..<set.count).first { set.label(at: $0) != target } ?? 0
      guard own < set.count else {
        throw SettingError(
          setting: "index", value: "\(own)", allowed: "0 to \(set.count - 1)")
      }
      let image = try set.image(at: own)
      let previews = try attacks.flatMap {
        try AttackPreview.all(of: $0, on: image, shape: set.imageShape)
      }
      let png = try previewSheet(previews, original: image, shape: set.imageShape)
      try png.withUnsafeBytes { try replaceFile(at: path, with: [$0]) }
      printLines(
        "training image \(own) (\(printable(set.path(at: own))), "
          + "\(printable(data.training.classNames[set.label(at: own)]))) written to \(printable(path))"
      )
    }
  }
}
