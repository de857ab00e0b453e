import ArgumentParser
import MecaAttacks
import MecaCore
import MecaTraining

extension AttackKind: ExpressibleByArgument {}
extension RateBase: ExpressibleByArgument {}
extension TriggerPlace: ExpressibleByArgument {}
extension WarpNoise: ExpressibleByArgument {}
extension PatchSet: ExpressibleByArgument {}

extension PoisonPool: ExpressibleByArgument {
  /// Also takes the spelling with a hyphen, `non-target`.
  public init?(argument: String) {
    self.init(rawValue: argument == "non-target" ? PoisonPool.nonTarget.rawValue : argument)
  }
}

/// The attack that this program itself puts into the data, for experiments.
struct AttackOptions: ParsableArguments {
  @Option(
    help: """
      Attack put in: none, badnets, blend, sig, wanet, physical, tact, adaptive-blend, \
      adaptive-patch (default: badnets for shapes, else none).
      """)
  var attack: AttackKind?

  @Option(help: "Poisoned fraction of the training set, 0 to 1 (default: 0.05).")
  var poisonRate: Double?

  @Option(help: "Class that the trigger leads to (default: 1).")
  var target: Int?

  @Option(help: "Seed of the poisoned samples' choice and of drawn triggers (default: --seed).")
  var attackSeed: UInt64?

  @Option(
    help: """
      Where poisons are drawn from: all samples, or those of other classes (nonTarget) (default: \
      all).
      """)
  var poisonPool: PoisonPool?

  @Option(
    help: """
      WaNet, TaCT, Adaptive: fraction of the training set that carries a trigger with its true \
      label (default: 0.05 for wanet, else 0.01).
      """)
  var coverRate: Double?

  @Option(help: "TaCT: what both rates are fractions of: dataset, source (default: dataset).")
  var rateBase: RateBase?

  @Option(help: "TaCT: class that the trigger works on (default: 0).")
  var source: Int?

  @Option(help: "TaCT: classes of the covers: 2,3,4 (default: all but source and target).")
  var coverClasses: ClassList?

  @Option(
    help: """
      Picture in place of the drawn trigger, PNG or JPEG: resized to the whole image (blend, \
      adaptive-blend) or to the patch; one of the images' size lies over them as it is.
      """)
  var trigger: String?

  @Option(
    help: """
      Side of the patch, pixels (default: badnets, tact 3, physical, adaptive-patch 13 at 32 \
      pixels, in proportion).
      """)
  var triggerSize: Int?

  @Option(
    help: """
      Place of the patch: top-left, top-right, bottom-left, bottom-right, centre (default: \
      badnets, tact bottom-right, physical, adaptive-patch top-right).
      """)
  var triggerPlace: TriggerPlace?

  @Option(help: "Share of pattern or patch (default: 0.2 for a pattern, 1 for a patch).")
  var blendAlpha: Double?

  @Option(help: "The same in test images (default: --blend-alpha).")
  var testAlpha: Double?

  @Option(help: "SIG: amplitude, of 255 (default: 40).")
  var sigAmplitude: Double?

  @Option(help: "SIG: amplitude in test images, of 255 (default: --sig-amplitude).")
  var sigTestAmplitude: Double?

  @Option(help: "SIG: periods across the image (default: 6).")
  var sigFrequency: Int?

  @Option(help: "WaNet: strength of the warp, twice its mean in pixels (default: 0.5).")
  var warpStrength: Double?

  @Option(help: "WaNet: points along each side of the coarse grid (default: 4).")
  var warpGrid: Int?

  @Option(
    help: "WaNet: random offsets of the covers: fixed for all, or fresh (default: fixed).")
  var warpNoise: WarpNoise?

  @Option(help: "Adaptive-Blend: pieces of the pattern, a square number (default: 16).")
  var pieces: Int?

  @Option(help: "Adaptive-Blend: pieces left out of each training sample (default: 8).")
  var blankedPieces: Int?

  @Option(
    help: "Adaptive-Patch: quadrants of one emblem, or four patches (toolbox) (default: quadrants)."
  )
  var patchSet: PatchSet?

  /// The attack, checked as far as it can be without the data.
  ///
  /// - Ranks: local; reads the trigger's file.
  /// - Parameters:
  ///   - seed: the run's, which the attack takes where nothing else is said.
  ///   - stored: the attack of a stored model's run, whose settings count where no option differs.
  /// - Throws: `UsageError` that names the option, `FileError` for the trigger's file.
  func resolved(
    dataset: DatasetKind, seed: UInt64, like stored: AttackConfiguration? = nil
  ) throws -> AttackConfiguration {
    let kind = attack ?? stored?.kind ?? (dataset == .shapes ? .badnets : .none)
    if attack == nil, kind == .none, let option = generalOptions.first {
      throw UsageError.conflict("\(option): no attack is put in that it could be for; add --attack")
    }
    var attack = AttackConfiguration(kind: kind, seed: seed)
    if let stored, stored.kind == kind { attack = stored }
    if let poisonRate { attack.poisonRate = poisonRate }
    if let target { attack.target = target }
    if let attackSeed { attack.seed = attackSeed }
    let given = apply(to: &attack)
    try requireUsed(given, by: attack)
    if let trigger { attack.trigger = try TriggerFile(path: trigger) }
    if let classCount = dataset.classCount { try attack.validate(classCount: classCount) }
    return attack
  }

  /// Target and seed for every attack at once; all else is each attack's default.
  ///
  /// - Throws: `UsageError.conflict` for options that would be ignored.
  func resolvedForAll(seed: UInt64) throws -> AttackConfiguration {
    var attack = AttackConfiguration(kind: .none, seed: attackSeed ?? seed)
    let settings = apply(to: &attack).map { "--\($0.rawValue)" }
    if let option = (poisonRate.map { ["--poison-rate \($0)"] } ?? settings).first {
      throw UsageError.conflict(
        "\(option): a picture of all attacks shows their defaults; name one with --attack")
    }
    if let target { attack.target = target }
    return attack
  }

  /// The options of every attack that were given, as they are written.
  private var generalOptions: [String] {
    [
      poisonRate.map { "--poison-rate \($0)" }, target.map { "--target \($0)" },
      attackSeed.map { "--attack-seed \($0)" },
    ].compactMap { $0 }
  }

  /// Puts the settings that were given for certain attacks into `attack`.
  ///
  /// - Returns: which ones; the trigger's file is among them, but is not read.
  private func apply(to attack: inout AttackConfiguration) -> [AttackSetting] {
    var given: [AttackSetting] = []
    func take<Value>(
      _ setting: AttackSetting, _ value: Value?,
      _ place: WritableKeyPath<AttackConfiguration, Value>
    ) {
      guard let value else { return }
      given.append(setting)
      attack[keyPath: place] = value
    }
    /// For settings that may be left to the attack.
    func take<Value>(
      _ setting: AttackSetting, _ value: Value?,
      choice: WritableKeyPath<AttackConfiguration, Value?>
    ) {
      guard let value else { return }
      given.append(setting)
      attack[keyPath: choice] = value
    }
    take(.poisonPool, poisonPool, \.poisonPool)
    take(.coverRate, coverRate, \.coverRate)
    take(.rateBase, rateBase, \.rateBase)
    take(.source, source, \.source)
    take(.coverClasses, coverClasses?.values, choice: \.coverClasses)
    take(.triggerSize, triggerSize, choice: \.triggerSize)
    take(.triggerPlace, triggerPlace, choice: \.triggerPlace)
    take(.alpha, blendAlpha, \.alpha)
    take(.testAlpha, testAlpha, choice: \.testAlpha)
    take(.sigAmplitude, sigAmplitude, \.sigAmplitude)
    take(.sigTestAmplitude, sigTestAmplitude, choice: \.sigTestAmplitude)
    take(.sigFrequency, sigFrequency, \.sigFrequency)
    take(.warpStrength, warpStrength, \.warpStrength)
    take(.warpGrid, warpGrid, \.warpGrid)
    take(.warpNoise, warpNoise, \.warpNoise)
    take(.pieces, pieces, \.pieces)
    take(.blankedPieces, blankedPieces, \.blankedPieces)
    take(.patchSet, patchSet, \.patchSet)
    if trigger != nil { given.append(.trigger) }
    return given
  }

  /// Refuses options that the attack would ignore.
  private func requireUsed(
    _ given: [AttackSetting], by attack: AttackConfiguration
  ) throws {
    guard let other = given.first(where: { !attack.settings.contains($0) }) else { return }
    let users = AttackKind.allCases.filter { kind in
      AttackConfiguration(kind: kind).settings.contains(other)
    }
    let names = users.map(\.rawValue).joined(separator: ", ")
    let own = attack.kind.rawValue
    throw UsageError.conflict(
      users.contains(attack.kind)
        ? "--\(other.rawValue) is not for --attack \(own) with --patch-set "
          + "\(attack.patchSet.rawValue)"
        : "--\(other.rawValue) is for --attack \(names), not for \(own)")
  }
}

/// Class numbers, written with commas between them.
struct ClassList: ExpressibleByArgument, CustomStringConvertible {
  var values: [Int]

  init(_ values: [Int]) { self.values = values }

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.map { Int(String($0).trimmingPrefix(while: { $0 == " " })) }
    guard numbers.allSatisfy({ $0 != nil }) else { return nil }
    values = Array(Set(numbers.compactMap { $0 })).sorted()
  }

  var description: String { values.map { "\($0)" }.joined(separator: ",") }
}
