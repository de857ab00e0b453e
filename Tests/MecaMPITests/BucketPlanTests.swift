import MecaMPI
import Testing

@Suite struct BucketPlanTests {
  /// The example of the documentation.
  @Test func theHeadIsCutFromItsEndAndTheTailComesLast() {
    let plan = BucketPlan(head: 100, total: 108, size: 48)
    #expect(plan.ranges == [64..<100, 32..<64, 0..<32, 100..<108])
    let floors = [100, 65, 64, 33, 32, 1, 0]
    #expect(floors.map(plan.complete) == [0, 0, 1, 1, 2, 2, 3])
  }

  @Test func whatFitsIntoABucketStaysWhole() {
    let plan = BucketPlan(head: 40, total: 48, size: 48)
    #expect(plan.ranges == [0..<48])
    #expect(plan.complete(from: 0) == 0)
    #expect(BucketPlan(head: 0, total: 90, size: 48).ranges == [0..<90])
  }

  @Test func everyPlaceIsInOneBucket() {
    for total in [1, 15, 16, 17, 100, 1003] {
      for head in [0, 1, total / 2, total - 1, total] where head <= total {
        for size in [1, 16, 17, 100, 5000] {
          let plan = BucketPlan(head: head, total: total, size: size)
          let places = plan.ranges.flatMap { Array($0) }
          #expect(places.sorted() == Array(0..<total), "\(head) \(total) \(size)")
          #expect(plan.elementCount == total && !plan.ranges.contains(where: \.isEmpty))
          // Each bucket of the head is complete only when all of it is.
          for (index, range) in plan.ranges.enumerated() where range.upperBound <= head {
            #expect(plan.complete(from: range.lowerBound + 1) <= index)
          }
        }
      }
    }
  }

  @Test func moreRanksTakeLargerBuckets() {
    #expect(BucketPlan.usualSize(ranks: 2) == 262_144)
    #expect(BucketPlan.usualSize(ranks: 64) == 1_048_576)
  }
}
