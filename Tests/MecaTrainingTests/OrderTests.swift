import MecaCore
import MecaNN
import MecaTraining
import Testing

/// Who stands where: in the steps of an epoch, and in the batches of a pass over a set.
@Suite struct OrderTests {
  static func order(
    _ groups: [TrainingGroup], shards: Int, microbatch: Int, seed: UInt64 = 1,
    key: String = "test", epoch: Int = 0
  ) -> EpochOrder {
    EpochOrder(
      groups: groups, shards: shards, microbatch: microbatch, key: StageKey(key), seed: seed,
      epoch: epoch)
  }

  /// The samples of one group in the order of their places.
  static func places(
    _ order: EpochOrder, shards: Range<Int>, microbatch: Int
  ) -> [Int32] {
    (0..<order.stepCount).flatMap { step in
      shards.flatMap { shard in
        (0..<microbatch).map { order.index(step: step, shard: shard, slot: $0) }
      }
    }
  }

  @Test(arguments: [(1, 2, 2), (5, 2, 2), (16, 4, 2), (17, 4, 2), (100, 8, 3), (3, 8, 4)])
  func everySampleStandsOnceInEachLap(samples: Int, shards: Int, microbatch: Int) {
    let indices = (0..<Int32(samples)).map { 1000 + 7 * $0 }
    let order = Self.order(
      [TrainingGroup(indices: indices)], shards: shards, microbatch: microbatch)
    let places = Self.places(order, shards: 0..<shards, microbatch: microbatch)
    let perStep = shards * microbatch
    #expect(order.stepCount == (samples + perStep - 1) / perStep)
    #expect(places.count == order.stepCount * perStep)
    // The first lap is everybody once; what fills the last step is the start of further laps.
    for start in stride(from: 0, to: places.count, by: samples) {
      let lap = places[start..<min(start + samples, places.count)]
      #expect(Set(lap).count == lap.count)
      #expect(Set(lap).isSubset(of: indices))
    }
    #expect(Set(places.prefix(samples)) == Set(indices))
  }

  @Test func twoGroupsKeepToTheirShards() {
    let first = (0..<10).map { Int32($0) }
    let second = (100..<103).map { Int32($0) }
    let order = Self.order(
      [
        TrainingGroup(indices: first, parts: 3),
        TrainingGroup(indices: second, weight: -2, lossCap: 5),
      ], shards: 4, microbatch: 2)
    #expect(order.stepCount == 2)
    #expect((0..<4).map { order.place(ofShard: $0).group } == [0, 0, 0, 1])
    #expect((0..<4).map { order.place(ofShard: $0).shardInGroup } == [0, 1, 2, 0])
    let firstPlaces = Self.places(order, shards: 0..<3, microbatch: 2)
    let secondPlaces = Self.places(order, shards: 3..<4, microbatch: 2)
    #expect(Set(firstPlaces) == Set(first))
    #expect(Set(secondPlaces) == Set(second))
    #expect(Set(secondPlaces.prefix(3)).count == 3)
  }

  @Test func theOrderDependsOnSeedKeyAndEpochAlone() {
    let indices = (0..<64).map { Int32($0) }
    func places(_ seed: UInt64, _ key: String, _ epoch: Int) -> [Int32] {
      Self.places(
        Self.order(
          [TrainingGroup(indices: indices)], shards: 4, microbatch: 4, seed: seed, key: key,
          epoch: epoch), shards: 0..<4, microbatch: 4)
    }
    #expect(places(1, "a", 0) == places(1, "a", 0))
    #expect(places(1, "a", 0) != places(1, "a", 1))
    #expect(places(1, "a", 0) != places(2, "a", 0))
    #expect(places(1, "a", 0) != places(1, "b", 0))
  }

  @Test(arguments: [
    (8, [1], [8]), (8, [1, 1], [4, 4]), (8, [3, 1], [6, 2]), (2, [3, 1], [1, 1]),
    (8, [1, 1, 1], [3, 3, 2]), (3, [100, 1, 1], [1, 1, 1]), (16, [7, 1], [14, 2]),
  ])
  func shardsAreDealtInProportion(total: Int, parts: [Int], expected: [Int]) {
    #expect(dealt(total, parts: parts) == expected)
  }

  @Test(arguments: [0, 1, 31, 32, 33, 64, 70, 161], [(1, 1), (2, 1), (3, 2), (5, 1), (8, 3)])
  func everyPlaceIsVisitedOnce(samples: Int, layout: (ranks: Int, threads: Int)) {
    let split = BatchSplit(samples: samples, batch: 32, ranks: layout.ranks)
    var visits = [Int](repeating: 0, count: samples)
    var gathered: [Int] = []
    for rank in 0..<layout.ranks {
      let own = split.places(ofRank: rank)
      gathered += own
      var visited: [Int] = []
      for thread in 0..<layout.threads {
        for batch in split.batches(ofRank: rank, thread: thread, threads: layout.threads) {
          #expect(split.places(ofBatch: batch).lowerBound == batch * 32)
          #expect(split.places(ofBatch: batch).count <= 32)
          visited += split.places(ofBatch: batch)
        }
      }
      #expect(visited == Array(own))
      for place in visited { visits[place] += 1 }
    }
    #expect(gathered == Array(0..<samples))
    #expect(visits.allSatisfy { $0 == 1 })
  }

  @Test func theTallySumsEachGroup() {
    let tally = StepTally(groups: 2, after: 3)
    #expect(tally.elementCount == 8)
    var vector = [Float](repeating: 7, count: 11)
    let objectives = [3, 1, 2].map { SampleObjective(label: $0, coefficient: 1) }
    vector.withUnsafeMutableBufferPointer { vector in
      objectives.withUnsafeBufferPointer { objectives in
        tally.write(
          losses: [0.5, 1.5, 2], predictions: [3, 1, 9], objectives: objectives, group: 1,
          to: vector.baseAddress!)
      }
    }
    #expect(vector == [7, 7, 7, 0, 0, 0, 4, 2, 3, 0, 0])
    #expect(tally.isReadable(vector) && !tally.isAskedToStop(vector))
    var total = tally.zero
    total.add(tally.read(vector))
    total.add(tally.read(vector))
    #expect(total.lossSums == [0, 8] && total.hits == [0, 4] && total.samples == [0, 6])
    #expect(total.summary(ofGroup: 1).loss == 8.0 / 6)
    #expect(total.summary(ofGroup: 1).accuracy == 4.0 / 6)
  }

  /// A prediction that is one of two labels counts as that label's share.
  @Test func theTallyOfMixedLabelsCountsShares() {
    let tally = StepTally(groups: 1, after: 0)
    var vector = [Float](repeating: 7, count: 5)
    let objectives = [(3, 1), (1, 3), (2, 2), (0, 1)].map { label, second in
      SampleObjective(label: label, coefficient: 1).mixed(with: second, share: 0.75)
    }
    vector.withUnsafeMutableBufferPointer { vector in
      objectives.withUnsafeBufferPointer { objectives in
        tally.write(
          losses: [0.5, 1.5, 2, 1], predictions: [3, 3, 2, 4], objectives: objectives, group: 0,
          isReadable: false, isAskedToStop: true, to: vector.baseAddress!)
      }
    }
    #expect(vector == [5, 0.75 + 0.25 + 1, 4, 1, 1])
    #expect(!tally.isReadable(vector) && tally.isAskedToStop(vector))
  }
}
