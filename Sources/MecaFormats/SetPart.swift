/// A part of a set that was written with its attack: beside the two splits the triggered test.
public enum SetPart: String, Sendable, CaseIterable, Codable {
  /// Samples to learn from, with the labels that a victim is given.
  case train
  /// Clean samples to judge by.
  case test
  /// Test samples with the trigger, which measure the attack's success; labels are the true ones.
  case triggered = "test-triggered"
}
