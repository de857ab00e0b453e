import MecaAttacks

/// The lines of the resolved configuration that describe an attack: the options that it uses.
func attackLines(_ attack: AttackConfiguration) -> [(String, String?)] {
  let general: [(String, String?)] = [
    ("attack", attack.kind.rawValue), ("poison-rate", "\(attack.poisonRate)"),
    ("target", "\(attack.target)"), ("attack-seed", "\(attack.seed)"),
  ]
  let used = attack.settings
  return general
    + AttackSetting.allCases.filter { used.contains($0) }.map {
      ($0.rawValue, value(of: $0, in: attack))
    }
}

/// The value of one setting; nil where the attack's own choice is meant.
private func value(of setting: AttackSetting, in attack: AttackConfiguration) -> String? {
  switch setting {
  case .poisonPool: attack.poisonPool.rawValue
  case .coverRate: "\(attack.coverRate)"
  case .rateBase: attack.rateBase.rawValue
  case .source: "\(attack.source)"
  case .coverClasses: attack.coverClasses.map { ClassList($0).description }
  case .trigger: attack.trigger?.path
  case .triggerSize: attack.triggerSize.map { "\($0)" }
  case .triggerPlace: attack.triggerPlace?.rawValue
  case .alpha: "\(attack.alpha)"
  case .testAlpha: attack.testAlpha.map { "\($0)" }
  case .sigAmplitude: "\(attack.sigAmplitude)"
  case .sigTestAmplitude: attack.sigTestAmplitude.map { "\($0)" }
  case .sigFrequency: "\(attack.sigFrequency)"
  case .warpStrength: "\(attack.warpStrength)"
  case .warpGrid: "\(attack.warpGrid)"
  case .warpNoise: attack.warpNoise.rawValue
  case .pieces: "\(attack.pieces)"
  case .blankedPieces: "\(attack.blankedPieces)"
  case .patchSet: attack.patchSet.rawValue
  }
}
