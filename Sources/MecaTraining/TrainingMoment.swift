import MecaNN

/// Where a training stands between two steps: what a snapshot holds besides the model.
struct TrainingMoment {
  /// Epoch, from 0.
  var epoch: Int
  /// Steps of the epoch that are done.
  var step: Int
  /// Sums over those steps.
  var total: StepTally.Total

  /// The moment together with weights, running statistics and velocity.
  func columns(_ model: Model, _ optimiser: SGD) -> Columns {
    var columns = model.state.columns
    columns["velocity"] = .floats(optimiser.velocity.array)
    columns["place"] = .integers([Int32(epoch), Int32(step)])
    columns["loss_sums"] = .doubles(total.lossSums)
    columns["hits"] = .doubles(total.hits)
    columns["samples"] = .doubles(total.samples)
    return columns
  }

  /// The moment to start from: that of a snapshot, to which model and optimiser are brought, or the
  /// very beginning.
  ///
  /// - Throws: `MissingColumn` if the snapshot is of another network.
  static func start(
    _ snapshot: Columns?, _ model: Model, _ optimiser: SGD, _ tally: StepTally
  ) throws -> TrainingMoment {
    guard let snapshot else { return TrainingMoment(epoch: 0, step: 0, total: tally.zero) }
    let velocity = try snapshot.floats("velocity")
    let place = try snapshot.integers("place")
    guard velocity.count == optimiser.velocity.count, place.count == 2 else {
      throw MissingColumn(name: "velocity of this network")
    }
    try model.restore(ModelState(columns: snapshot))
    optimiser.velocity.copy(from: velocity)
    return TrainingMoment(
      epoch: Int(place[0]), step: Int(place[1]),
      total: StepTally.Total(
        lossSums: try snapshot.doubles("loss_sums"), hits: try snapshot.doubles("hits"),
        samples: try snapshot.doubles("samples")))
  }
}

/// What a finished training leaves behind, as a checkpoint holds it.
struct TrainedModel: StageState {
  /// Weights and running statistics.
  var state: ModelState
  /// Loss and accuracy of the last epoch.
  var summary: EpochSummary

  init(state: ModelState, summary: EpochSummary) { (self.state, self.summary) = (state, summary) }

  init(columns: Columns) throws {
    state = try ModelState(columns: columns)
    let values = try columns.doubles("summary")
    guard values.count == 2 else { throw MissingColumn(name: "summary") }
    summary = EpochSummary(loss: values[0], accuracy: values[1])
  }

  var columns: Columns {
    var columns = state.columns
    columns["summary"] = .doubles([summary.loss, summary.accuracy])
    return columns
  }
}
