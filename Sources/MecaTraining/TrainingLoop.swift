import MecaCore
import MecaData
import MecaMPI
import MecaNN

/// What the training loop needs to know besides the model: which samples, how, under which key.
public struct TrainingPhase: Sendable {
  /// Name in the log, for example `clean`.
  public var name: String
  /// What a step is made of.
  public var groups: [TrainingGroup]
  /// Label of every sample of the data set.
  public var labels: [Int32]
  /// Length and rates.
  public var recipe: TrainingRecipe
  /// Distinguishes the sample orders of phases under one seed; below 2¹⁹.
  public var orderKey: Int
  /// Epochs that a phase may have, so that the keys of two phases' orders never meet.
  public static let mostEpochs = 1 << 12

  /// All values.
  public init(
    name: String, groups: [TrainingGroup], labels: [Int32], recipe: TrainingRecipe, orderKey: Int
  ) {
    self.name = name
    self.groups = groups
    self.labels = labels
    self.recipe = recipe
    self.orderKey = orderKey
  }
}

/// Mean loss and accuracy of the first group over one epoch, measured while it was learnt.
public struct EpochSummary: Sendable {
  /// Mean cross entropy, nats.
  public var loss: Double
  /// Fraction of samples whose prediction was their label.
  public var accuracy: Double
}

extension TrainingSession {
  /// Trains `model` on `set`: the one training loop of the project.
  ///
  /// A step: every rank computes the gradients of its logical shards, sums them along the fixed
  /// tree, all ranks exchange the sums along the same tree, and every rank applies the same SGD
  /// update: w ← w − η·(Nesterov momentum of Σ_shards ∇ + weight decay · w).
  ///
  /// - Ranks: collective; all ranks hold the same weights before and after.
  /// - Parameters:
  ///   - afterEpoch: called on every rank after each epoch with its number from 0.
  /// - Returns: the summary of the last epoch.
  /// - Throws: `RemoteFailure` on all ranks with `NonFiniteTraining` if the loss of an epoch or the
  ///   weights at the end are no numbers, with `NothingToLearn` if a group is empty, with `FileError`
  ///   if an image could not be read any more; MPI errors.
  @discardableResult
  public func train(
    _ model: Model, on set: any ImageSet, phase: TrainingPhase,
    afterEpoch: (Int, EpochSummary) throws -> Void = { _, _ in }
  ) throws -> EpochSummary {
    if phase.groups.contains(where: \.indices.isEmpty) {
      try communicator.collectively { throw NothingToLearn(phase: phase.name) }
    }
    let microbatch = compute.microbatch
    precondition(phase.groups.reduce(0) { $0 + $1.shards } == compute.shards, "shards unassigned")
    let workers = try (0..<compute.threads).map { _ in
      try ShardWorker(model: model, microbatch: microbatch)
    }
    let tally = StepTally(groups: phase.groups.count, after: model.reductionCount)
    let summation = GradientSummation(
      session: self, head: model.parameters.count,
      elementCount: model.reductionCount + tally.elementCount)
    let optimiser = SGD(model: model)
    let recipe = phase.recipe
    let setup = SGDConfiguration(
      momentum: recipe.momentum, nesterov: true, weightDecay: recipe.weightDecay)
    let pixels = PixelLoader(set: set, threads: compute.threads)
    var summary = EpochSummary(loss: .nan, accuracy: .nan)
    var step = 0

    for epoch in 0..<recipe.epochs {
      let order = EpochOrder(
        groups: phase.groups, microbatch: microbatch, seed: compute.seed,
        purpose: .trainingOrder, epoch: phase.orderKey * TrainingPhase.mostEpochs + epoch)
      let schedule = recipe.learningRates(stepsPerEpoch: order.stepCount)
      let begin = journal.seconds
      var total = tally.zero
      for stepInEpoch in 0..<order.stepCount {
        let sum = try summation.sum { thread, shard, result, produced in
          let worker = workers[thread]
          let number = order.place(ofShard: shard).group
          let group = phase.groups[number]
          let coefficient = group.weight / Float(group.shards * microbatch)
          for slot in 0..<microbatch {
            let index = Int(order.index(step: stepInEpoch, shard: shard, slot: slot))
            pixels.load(index, thread: thread, to: worker.lane.images.pointer, slot: slot)
            worker.objectives[slot] = SampleObjective(
              label: phase.labels[index], coefficient: coefficient, lossCap: group.lossCap)
          }
          worker.lane.train(
            UnsafeBufferPointer(worker.objectives), reduction: result, produced: produced)
          tally.write(
            losses: worker.lane.losses.pointer, predictions: worker.lane.predictions.pointer,
            objectives: UnsafeBufferPointer(worker.objectives), group: number, to: result)
        }
        total.add(tally.read(sum))
        average(sum + model.parameters.count, count: model.statistics.count)
        model.applyStatistics(sum + model.parameters.count)
        optimiser.step(
          model, gradient: sum,
          gradientScale: clipFactor(sum, count: model.parameters.count, limit: recipe.gradientClip),
          learningRate: schedule.rate(step: step, of: recipe.epochs * order.stepCount), setup)
        step += 1
      }
      summary = total.summary(ofGroup: 0)
      try requireReadable(set)
      // The loss of an epoch's last step was that of the weights before it.
      if !summary.loss.isFinite || epoch == recipe.epochs - 1 && !model.isFinite {
        try communicator.collectively {
          throw NonFiniteTraining(phase: phase.name, epoch: epoch)
        }
      }
      try report(
        phase, epoch: epoch, total: total, order: order, since: begin, summation: summation)
      try afterEpoch(epoch, summary)
    }
    return summary
  }

  /// The factor that brings the gradient's 2-norm down to `limit`, 1 if it is below.
  private func clipFactor(
    _ gradient: UnsafePointer<Float>, count: Int, limit: Float?
  ) -> Float {
    guard let limit else { return 1 }
    let norm = SGD.norm(gradient, count: count)
    return norm > Double(limit) ? Float(Double(limit) / norm) : 1
  }

  /// Turns a sum over the logical shards into their mean.
  private func average(_ values: UnsafeMutablePointer<Float>, count: Int) {
    let factor = 1 / Float(compute.shards)
    for place in 0..<count { values[place] *= factor }
  }

  private func report(
    _ phase: TrainingPhase, epoch: Int, total: StepTally.Total, order: EpochOrder,
    since begin: Double, summation: GradientSummation
  ) throws {
    let seconds = journal.seconds - begin
    let exchange = try ExchangeReport(
      summation.takeStatistics(), seconds: seconds, on: communicator)
    let images = order.stepCount * compute.batch
    throughput.add(images: images, seconds: seconds)
    let summary = total.summary(ofGroup: 0)
    let rate = "\(Int(Double(images) / max(seconds, 1e-9))) images/s"
    journal.say(
      "\(phase.name): epoch \(epoch + 1)/\(phase.recipe.epochs) loss \(fixed(summary.loss, 3)) "
        + "accuracy \(fixed(summary.accuracy * 100, 1)) % "
        + "(\([rate, exchange?.summary].compactMap(\.self).joined(separator: "; ")))")
    journal.record(
      "epoch",
      [
        "phase": .text(phase.name), "epoch": .integer(epoch + 1),
        "loss": .number(summary.loss), "accuracy": .number(summary.accuracy),
        "images_per_second": .number((Double(images) / max(seconds, 1e-9)).rounded()),
      ].merging(exchange?.metrics ?? [:]) { own, _ in own })
  }
}

/// One compute thread's lane and the objectives of its microbatch.
final class ShardWorker {
  let lane: Lane
  let objectives: UnsafeMutableBufferPointer<SampleObjective>

  init(model: Model, microbatch: Int) throws {
    lane = try Lane(model: model, microbatch: microbatch, training: true, inputGradient: false)
    objectives = .allocate(capacity: microbatch)
    objectives.initialize(repeating: SampleObjective(label: 0, coefficient: 0))
  }

  deinit { objectives.deallocate() }
}

extension TrainingRecipe {
  /// The course of the learning rate for epochs of the given length.
  func learningRates(stepsPerEpoch: Int) -> LearningRateSchedule {
    let decay: LearningRateSchedule.Decay
    switch schedule {
    case .constant: decay = .constant
    case .cosine: decay = .cosine
    case .step: decay = .steps(at: [0.5, 0.75], factor: 0.1)
    }
    return LearningRateSchedule(
      base: Double(learningRate),
      warmUpSteps: min(Int((rampEpochs * Float(stepsPerEpoch)).rounded()), epochs * stepsPerEpoch),
      decay: decay)
  }
}

/// A phase was left without samples.
public struct NothingToLearn: ReportableError {
  /// Phase of the run.
  public let phase: String

  /// The process's exit status.
  public var exitCode: ExitCode { .badData }

  /// One line for people.
  public var description: String {
    "\(phase): no training samples are left to learn from; the set is too small, or all of it was "
      + "flagged: take more samples (--train-limit), or check --poison-rate"
  }
}

/// Training left the numbers: a learning rate too large, or damaged input.
public struct NonFiniteTraining: ReportableError {
  /// Phase of the run.
  public let phase: String
  /// Epoch within it, from 0.
  public let epoch: Int

  /// The process's exit status.
  public var exitCode: ExitCode { .badData }

  /// One line for people.
  public var description: String {
    "\(phase), epoch \(epoch + 1): loss or weights are not numbers any more; lower the learning "
      + "rate of this phase (--learning-rate, --relearn-rate, --warmup-rate, --enhance-rate, "
      + "--confirm-rate), or check the images"
  }
}
