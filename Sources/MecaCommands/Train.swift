import ArgumentParser
import MecaMPI

/// Trains a model by a defence and writes the run folder.
struct Train: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a clean model on a set that may be poisoned (the default command).",
    discussion: """
      The settings of image set, attack and defence are options too, and stand in a configuration \
      file like them: meca-dist datasets, attacks and defenses list what there is, with a NAME the \
      settings of one.
      """)

  @OptionGroup var options: TrainOptions

  func run(on communicator: Communicator) throws {
    try TrainingCommand(options: options, goal: .models).run(on: communicator)
  }
}

/// Judges the samples and trains no final model.
struct Detect: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say whether a set is poisoned, and which samples; train no final model.",
    discussion: """
      The options are those of train. Afterwards: edit suspects.csv, then meca-dist train --exclude \
      suspects.csv, or --relabel; train with the same --output goes on from what was found.
      """)

  @OptionGroup var options: TrainOptions

  func run(on communicator: Communicator) throws {
    try TrainingCommand(options: options, goal: .verdict).run(on: communicator)
  }
}
