import MecaTestSupport
import Testing

extension ProbeTests {
  /// Several ranks on this machine, as users start them.
  @Suite struct CollectiveTests {
    /// Shards and elements: powers of two and not, fewer elements than ranks, more ranks than shards.
    static let sizes = [(8, 1003), (6, 70_001), (13, 5), (3, 257), (1, 100)]
    /// Buckets of less than a chunk for each rank, odd ones, and one for all; more of them than are
    /// under way at once; begun early, with a late rank, and in one go.
    static let buckets = [(17, 1), (1001, 0), (1001, 1), (4096, 1), (100_000, 1)]
    static let shardCounts = [5, 8, 16]
    static let bucketed = 20_011

    static func threads(ranks: Int) -> [Int] { ranks < 3 ? [1, 3] : [2] }

    static func reduce(
      shards: Int, count: Int, seed: Int, threads: Int, bucket: Int, overlap: Int,
      ranksOfHost: Int = 0
    ) -> String {
      "reduce \(shards) \(count) \(seed) \(threads) \(bucket) \(overlap) \(ranksOfHost)"
    }

    static func wholeSums(ranks: Int, _ size: (Int, Int)) -> [String] {
      threads(ranks: ranks).map {
        reduce(
          shards: size.0, count: size.1, seed: 11, threads: $0, bucket: 1_000_000, overlap: 0)
      }
    }

    static func bucketedSums(shards: Int) -> [String] {
      buckets.flatMap { bucket, overlap in
        [1, 2].map {
          reduce(
            shards: shards, count: bucketed, seed: 3, threads: $0, bucket: bucket, overlap: overlap)
        }
      }
    }

    /// Sums of 8 ranks as if they were on hosts of so many each: fewer shards than hosts, hosts that
    /// hold one node of the tree, and several.
    static let ranksOfHost = [1, 2, 4, 8]
    static let shardsOnHosts = [1, 3, 8, 13, 32]

    static func sumsOnHosts(_ ranksOfHost: Int, shards: Int) -> [String] {
      [(1001, 0), (4096, 1), (100_000, 1)].map { bucket, overlap in
        reduce(
          shards: shards, count: bucketed, seed: 5, threads: 1, bucket: bucket, overlap: overlap,
          ranksOfHost: ranksOfHost)
      }
    }

    /// Everything that is asked of so many ranks in one start.
    static func tasks(ranks: Int) -> [String] {
      var tasks = sizes.flatMap { wholeSums(ranks: ranks, $0) }
      tasks += shardCounts.flatMap(bucketedSums)
      if ranks == 2 { tasks.append("sleep") }
      if ranks == 3 { tasks.append("bench 50000 3 8 0") }
      if ranks == 8 {
        tasks += ranksOfHost.flatMap { each in
          shardsOnHosts.flatMap { sumsOnHosts(each, shards: $0) }
        }
      }
      return tasks
    }

    @Test(arguments: rankCounts) func collectivesGiveWhatTheyPromise(ranks: Int) throws {
      let answers = try answers(ranks: ranks)
      #expect(answers["collectives"] == "ok \(ranks)")
      #expect(answers.outcome.status == 0, "\(answers.outcome.errors)")
    }

    @Test func worksWithoutMpirun() throws {
      let path = try productsFolder() + "/" + program
      let outcome = try runProgram([path, "collectives"], timeout: 60)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output == "collectives: ok 1\n")
    }

    @Test(arguments: sizes) func sumsHaveTheBitsOfTheDefinition(shards: Int, count: Int) throws {
      let expected = naiveDigest(shards: shards, count: count, seed: 11)
      for ranks in rankCounts {
        for task in Self.wholeSums(ranks: ranks, (shards, count)) {
          #expect(try answers(ranks: ranks)[task] == expected, "\(task), \(ranks) ranks")
        }
      }
    }

    @Test(arguments: shardCounts) func bucketsAndOverlapChangeNoBits(shards: Int) throws {
      let expected = naiveDigest(shards: shards, count: Self.bucketed, seed: 3)
      for ranks in rankCounts {
        for task in Self.bucketedSums(shards: shards) {
          #expect(try answers(ranks: ranks)[task] == expected, "\(task), \(ranks) ranks")
        }
      }
    }

    @Test(arguments: shardsOnHosts) func sumsWithinHostsFirstChangeNoBits(shards: Int) throws {
      let expected = naiveDigest(shards: shards, count: Self.bucketed, seed: 5)
      for each in Self.ranksOfHost {
        for task in Self.sumsOnHosts(each, shards: shards) {
          #expect(try answers(ranks: 8)[task].prefix(64) == expected, "\(task)")
        }
      }
    }

    /// With H hosts of one node each, a host sends 2·N·(H − 1)/H floats, however many ranks it has.
    @Test(arguments: [(1, 8), (2, 4), (4, 2), (8, 1)])
    func aHostSendsItsVectorOnce(ranksOfHost: Int, hosts: Int) throws {
      for task in Self.sumsOnHosts(ranksOfHost, shards: 8) {
        let bytes = try Int(answers(ranks: 8)[task].dropFirst(65)) ?? -1
        let least = 2 * 4 * Double(Self.bucketed) * Double(hosts - 1) / Double(hosts)
        // Chunks are whole cache lines, so that they are not all equal.
        #expect(abs(Double(bytes) - least) <= 0.05 * least, "\(task): \(bytes), not \(least)")
      }
    }

    @Test func theCostOfBothReductionsIsMeasured() throws {
      let answer = try answers(ranks: 3)["bench 50000 3 8 0"]
      let words = answer.split(separator: " ")
      #expect(words.prefix(3) == ["bytes", "200000", "ordered"], "\(answer)")
      #expect(
        [3, 6, 8].allSatisfy { $0 < words.count && Double(words[$0]) ?? 0 > 0 }, "\(answer)")
    }

    /// A digest that differs must be seen as different: another seed, one shard more or fewer.
    @Test func otherNumbersGiveAnotherDigest() throws {
      let task = Self.wholeSums(ranks: 3, (8, 1003))[0]
      let digest = try answers(ranks: 3)[task]
      #expect(digest.utf8.count == 64, "\(digest)")
      for (shards, count, seed) in [(8, 1003, 12), (7, 1003, 11), (8, 1002, 11)] {
        #expect(digest != naiveDigest(shards: shards, count: count, seed: UInt64(seed)))
      }
    }

    @Test func placementsNameEveryRankAndItsCores() throws {
      let places = try answers(ranks: 3)["placements"].split(separator: "|")
      #expect(places.count == 3)
      for (rank, place) in places.enumerated() {
        #expect(place.contains("rank \(rank) on ") && place.contains(": cores "), "\(place)")
        #expect(!place.hasSuffix("unknown"))
      }
    }

    /// 400 ms of waiting may cost the sleeping barrier at most a quarter of that.
    @Test func theSleepingBarrierSleeps() throws {
      let answer = try answers(ranks: 2)["sleep"]
      let words = answer.split(separator: " ")
      #expect(words.dropLast().last == "sleeping", "\(answer)")
      #expect(Int(words.last ?? "") ?? 400 < 100, "\(answer)")
    }
  }
}
