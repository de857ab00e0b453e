import MecaTraining

/// What a defence found out before its turn (`Defense.lookFirst(_:)`), kept for when it runs.
final class EarlyStages {
  private var states: [StageDigest: any StageState] = [:]
  private var isLooking = false

  /// Lets a defence look; what its stages give meanwhile is kept.
  func look(_ look: () throws -> Void) rethrows {
    isLooking = true
    defer { isLooking = false }
    try look()
  }

  /// What the stage with this digest has given, or what `run` gives.
  func finished<State: StageState>(
    _ digest: StageDigest, _ run: () throws -> Finished<State>
  ) rethrows -> Finished<State> {
    if let known = states[digest] as? State { return Finished(state: known, digest: digest) }
    let finished = try run()
    if isLooking { states[digest] = finished.state }
    return finished
  }
}
