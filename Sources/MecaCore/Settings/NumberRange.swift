/// Which numbers a setting may have.
public enum NumberRange: Sendable {
  /// Above 0.
  case positive
  /// 0 or above.
  case notNegative
  /// From 0 to below 1.
  case fraction
  /// Above 0 and up to 1.
  case share

  /// In words that go behind "must be".
  public var words: String {
    switch self {
    case .positive: "more than 0"
    case .notNegative: "0 or more"
    case .fraction: "at least 0 and below 1"
    case .share: "more than 0 and 1 at most"
    }
  }

  /// Whether a number is one of them.
  public func contains(_ value: Float) -> Bool {
    guard value.isFinite else { return false }
    return switch self {
    case .positive: value > 0
    case .notNegative: value >= 0
    case .fraction: value >= 0 && value < 1
    case .share: value > 0 && value <= 1
    }
  }
}
