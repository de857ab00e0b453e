import MecaMPI
import Testing

@Suite struct ShardForestTests {
  static let count = 37

  /// Fills a forest with the vectors of its range.
  func fill(_ forest: ShardForest, _ vectors: [[Float]]) {
    forest.clear()
    for shard in forest.range {
      let buffer = forest.nextBuffer()
      for index in 0..<Self.count { buffer[index] = vectors[shard][index] }
      forest.add(shard: shard)
    }
    #expect(forest.isComplete)
  }

  /// The root through `size` forests side by side that are then merged, as threads do it.
  func root(_ vectors: [[Float]], size: Int) -> [Float] {
    let shards = vectors.count
    let forests = (0..<size).map {
      ShardForest(
        shards: shards, range: shardRange(rank: $0, size: size, shards: shards),
        elementCount: Self.count)
    }
    var last: [Float] = []
    for _ in 0..<2 {  // the second time in used memory
      for forest in forests { fill(forest, vectors) }
      let merged = ShardForest.merge(forests)
      #expect(merged.covered == 0..<shards)
      last = Array(UnsafeBufferPointer(start: merged.rootValues, count: Self.count))
    }
    return last
  }

  @Test(arguments: 1...17) func everyCutGivesTheBitsOfTheDefinition(shards: Int) {
    let vectors = (0..<shards).map { shardVector($0, count: Self.count, seed: 7) }
    let expected = naiveRoot(vectors).map(\.bitPattern)
    #expect(expected.count == Self.count)
    for size in 1...18 {
      #expect(root(vectors, size: size).map(\.bitPattern) == expected, "\(size) forests")
    }
  }

  /// Shows that the numbers above can tell two orders apart.
  @Test func addingFromLeftToRightGivesOtherBits() {
    var differing = 0
    for shards in 4...17 {
      let vectors = (0..<shards).map { shardVector($0, count: Self.count, seed: 7) }
      var flat = vectors[0]
      for vector in vectors.dropFirst() {
        for index in flat.indices { flat[index] += vector[index] }
      }
      if flat.map(\.bitPattern) != root(vectors, size: 1).map(\.bitPattern) { differing += 1 }
    }
    #expect(differing == 14)
  }

  @Test func shardsOutOfOrderStopTheProgram() async {
    await #expect(processExitsWith: .failure) {
      let forest = ShardForest(shards: 4, range: 0..<4, elementCount: 8)
      _ = forest.nextBuffer()
      forest.add(shard: 1)
    }
    await #expect(processExitsWith: .failure) {
      let forests = [0..<2, 3..<4].map { ShardForest(shards: 4, range: $0, elementCount: 8) }
      for forest in forests {
        for shard in forest.range {
          _ = forest.nextBuffer()
          forest.add(shard: shard)
        }
      }
      _ = ShardForest.merge(forests)  // shard 2 is missing
    }
  }
}
