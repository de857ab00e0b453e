import MecaCore

/// Refuses a number below `least`.
func requireAtLeast(_ least: Int, _ value: Int, _ setting: String) throws {
  try requireBetween(least, .max, value, setting)
}

/// Refuses a number outside of `least` to `most`.
func requireBetween(_ least: Int, _ most: Int, _ value: Int, _ setting: String) throws {
  guard value < least || value > most else { return }
  throw SettingError(
    setting: setting, value: "\(value)",
    allowed: value < least ? "\(least) or more" : "\(most) at most")
}

/// Refuses what is not above 0.
func requirePositive(_ value: Float, _ setting: String) throws {
  try require(value, in: .positive, setting)
}

/// Refuses what is not at least 0 and below 1.
func requireFraction(_ value: Float, _ setting: String) throws {
  try require(value, in: .fraction, setting)
}

private func require(_ value: Float, in range: NumberRange, _ setting: String) throws {
  guard !range.contains(value) else { return }
  throw SettingError(setting: setting, value: "\(value)", allowed: range.words)
}
