import Foundation

/// `value` with `digits` decimals; `-` for what is no number.
public func fixed(_ value: Double, _ digits: Int) -> String {
  value.isFinite ? String(format: "%.\(digits)f", value) : "-"
}

/// A span of time for people: `48 s`, `2 min 10 s`, `25 min`, `3.4 h`, `2.1 days`.
public func spanWords(_ seconds: Double) -> String {
  let tens = Int((min(max(0, seconds), 1e6) / 10).rounded())
  return switch seconds {
  case ..<100: "\(fixed(seconds, 0)) s"
  case ..<600 where tens % 6 != 0: "\(tens / 6) min \(tens % 6 * 10) s"
  case ..<5400: "\(fixed(seconds / 60, 0)) min"
  case ..<172_800: "\(fixed(seconds / 3600, 1)) h"
  default: "\(fixed(seconds / 86400, 1)) days"
  }
}
