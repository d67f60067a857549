"""From a saved student to plain arrays."""

import numpy as np

from kdbuild.errors import BadInputError
from kdbuild.export.weights import Array, LstmWeights, StudentWeights
from kdbuild.trainer.student import Student


def student_weights(student: Student) -> StudentWeights:
    """The parameters of a student.

    Raises:
        BadInputError: a parameter isn't finite.
    """
    tensors: dict[str, Array] = {name: value.detach().float().numpy() for name, value in student.state_dict().items()}
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise BadInputError(
                f"student: {name} holds values that aren't finite. Train it again with a lower learning rate."
            )

    def direction(suffix: str) -> LstmWeights:
        return LstmWeights(
            input=tensors[f"lstm.weight_ih_l0{suffix}"],
            recurrent=tensors[f"lstm.weight_hh_l0{suffix}"],
            bias=tensors[f"lstm.bias_ih_l0{suffix}"] + tensors[f"lstm.bias_hh_l0{suffix}"],
        )

    return StudentWeights(
        embedding=tensors["embedding.weight"],
        forward=direction(""),
        backward=direction("_reverse"),
        hidden=tensors["hidden.weight"],
        hidden_bias=tensors["hidden.bias"],
        output=tensors["output.weight"],
        output_bias=tensors["output.bias"],
    )
