// Answers its arguments:  swift run -c release KdbuildExample artefact/model_int8.kdb "a warm , funny film" "what a waste"
import Foundation
import Kdbuild

let arguments = CommandLine.arguments.dropFirst()
guard let path = arguments.first else {
    print("usage: KdbuildExample MODEL TEXT...")
    exit(2)
}
do {
    let classifier = try Classifier(contentsOf: URL(fileURLWithPath: path))
    for text in arguments.dropFirst() {
        let answer = try classifier.classify(text)
        let probabilities = zip(classifier.labels, answer.probabilities).map { "\($0) \(String(format: "%.4f", $1))" }
        print(([answer.label ?? "-"] + probabilities).joined(separator: "\t"))
    }
} catch {
    print("\(path): \(error)")
    exit(1)
}
