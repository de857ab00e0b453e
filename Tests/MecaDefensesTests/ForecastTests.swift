import MecaCore
import MecaDefenses
import MecaImages
import MecaNN
import MecaTensor
import MecaTraining
import Testing

@Suite struct ForecastTests {
  /// 400 samples of 4 labels, label 2 the largest.
  private static let labels = (0..<400).map { Int32($0 < 40 ? 2 : $0 % 4) }

  private func bench(
    _ course: ForecastWorkbench.Course = .suspected, endsAtVerdict: Bool = false,
    testedImages: Int = 0
  ) throws -> ForecastWorkbench {
    let shape = ImageShape(channels: 3, height: 8, width: 8)
    let set = MemorySet(
      name: "counted", classNames: ["a", "b", "c", "d"], imageShape: shape,
      labels: Self.labels.map { Int($0) },
      images: [UInt8](repeating: 0, count: Self.labels.count * shape.byteCount))
    return ForecastWorkbench(
      samples: GivenData(set, labels: Self.labels),
      network: NetworkConfiguration(
        architecture: .resnet18, width: 2, classCount: 4, imageHeight: 8, imageWidth: 8,
        mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25]),
      recipe: TrainingRecipe(epochs: 8, learningRate: 0.07, schedule: .cosine),
      compute: ComputeConfiguration(batch: 64, shards: 8, threads: 1, engine: .openblas, seed: 1),
      engine: try makeEngine(.openblas), scope: "meca", reserve: [0, 1, 2, 3],
      course: course, endsAtVerdict: endsAtVerdict, testedImages: testedImages)
  }

  private func parts(_ bench: ForecastWorkbench) -> [String: Forecast.Part] {
    Dictionary(uniqueKeysWithValues: bench.forecast.parts.map { ($0.stage, $0) })
  }

  @Test func aPlainTrainingIsWholeStepsTimesEpochs() throws {
    let bench = try bench()
    _ = try bench.run(Undefended())
    _ = try bench.run(Undefended())
    #expect(bench.forecast.parts.count == 1)
    let part = try #require(bench.forecast.parts.first)
    #expect(part.stage == "undefended" && part.network == bench.network)
    // 400 samples are 7 steps of 64.
    #expect(part.images == [.training: 8 * 7 * 64] && part.trainings == [8 * 7 * 64])
  }

  /// Of the models that are kept, and of no detector.
  @Test func testsAfterEpochsAreCounted() throws {
    let bench = try bench(testedImages: 30)
    _ = try bench.run(Undefended())
    _ = try bench.run(MeCa(MeCaSettings()))
    let parts = parts(bench)
    #expect(parts["undefended"]?.images(.judging) == 8 * 30)
    #expect(parts["meca/warm-up"]?.images(.judging) == 0)
  }

  /// Two detectors of half of the samples each, asked about the other half; somebody is suspected from
  /// every moment, and nobody is found.
  @Test func mecaIsCountedThroughAllItsMoments() throws {
    let bench = try bench()
    var settings = MeCaSettings()
    (settings.warmupEpochs, settings.enhanceEpochs, settings.confirmEpochs) = (6, 2, 3)
    settings.detectorWidth = 1
    _ = try bench.run(MeCa(settings))
    let parts = parts(bench)
    var detector = bench.network
    (detector.width, detector.classCount) = (1, 8)
    #expect(bench.forecast.networks == [detector, bench.network])
    let warmUp = try #require(parts["meca/warm-up"])
    // 200 samples are 4 steps.
    #expect(warmUp.network == detector && warmUp.trainings == [6 * 4 * 64, 6 * 4 * 64])
    let enhance = try #require(parts["meca/enhance"])
    #expect(
      enhance.images(.scoring) == 400 * settings.partitionRates.count
        && enhance.images(.judging) == 400)
    let confirm = try #require(parts["meca/confirm"])
    #expect(confirm.trainings == [Int](repeating: 3 * 4 * 64, count: 3 * 2), "three moments")
    #expect(parts["undefended"]?.images(.training) == 8 * 7 * 64)
    #expect(
      bench.forecast.stages == [
        "meca/findings", "meca/warm-up", "meca/enhance", "meca/confirm", "undefended",
        "meca/relabel",
      ])
  }

  /// What pixels give away is confirmed in one go, and a model is trained on the rest.
  @Test func mecaIsCountedWhereATriggerIsFound() throws {
    let bench = try bench(.found)
    var settings = MeCaSettings()
    (settings.warmupEpochs, settings.confirmEpochs) = (6, 3)
    let outcome = try bench.run(MeCa(settings))
    let flagged = try #require(outcome.verdict).flagged.count { $0 }
    let kept = 400 - flagged
    #expect(flagged > 5 && flagged < 20, "a tenth of 130 samples")
    let parts = parts(bench)
    #expect(
      bench.forecast.stages == [
        "meca/findings", "meca/warm-up", "meca/confirm findings", "meca/clean", "meca/relabel",
        "meca/relearn",
      ])
    #expect(parts["meca/clean"]?.images(.training) == 8 * ((kept + 63) / 64) * 64)
    #expect(parts["meca/relabel"]?.images(.judging) == flagged)
  }

  /// As in a run: what a defence sees before its turn is a stage of its own, the first, and no other.
  @Test func aLookBeforeTheTurnIsCountedOnce() throws {
    let (looking, plain) = (try bench(.found), try bench(.found))
    let defense = MeCa(MeCaSettings())
    try looking.look(defense)
    for bench in [looking, plain] {
      _ = try bench.run(Undefended())
      _ = try bench.run(defense)
    }
    #expect(looking.forecast.stages.prefix(3) == ["meca/findings", "undefended", "meca/warm-up"])
    #expect(plain.forecast.stages.prefix(3) == ["undefended", "meca/findings", "meca/warm-up"])
    #expect(looking.forecast.stages.sorted() == plain.forecast.stages.sorted())
    #expect(looking.forecast.trainedImages == plain.forecast.trainedImages)
  }

  @Test func aForecastOfTheVerdictEndsThere() throws {
    let bench = try bench(.found, endsAtVerdict: true)
    #expect(throws: ForecastWorkbench.VerdictReached.self) { try bench.run(MeCa(MeCaSettings())) }
    #expect(bench.forecast.stages.last == "meca/confirm findings")
  }

  @Test(arguments: ForecastWorkbench.Course.allCases)
  func everyDefenceCanBeCounted(course: ForecastWorkbench.Course) throws {
    for defense in Defenses.all where !defense.facts.needs.contains(.truth) {
      func made<Method: Defense>(_ type: Method.Type) -> any Defense { type.init(type.Settings()) }
      let bench = try bench(course)
      _ = try bench.run(made(defense))
      #expect(bench.forecast.trainedImages > 0, "\(defense.facts.name)")
    }
  }
}
