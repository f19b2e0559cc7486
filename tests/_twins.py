"""Two correct methods, and for each check of the conformance suite a broken twin that it must catch."""

from __future__ import annotations

import json
import os
import pickle
import time
import zipfile
from pathlib import Path

import numpy as np

from hybridseg import OperatingPoint, Segmenter, Tags


class Darkness(Segmenter):
    """A correct method that learns one number: how dark a lesion is."""

    tags = Tags(requires_fit=True, exportable=False, export_reason="it is a toy")

    def __init__(self, *, span=(0.5, 2.0), floor=1):
        self.span = span
        self.floor = floor

    def _fit(self, images, masks, *, groups, validation, progress):
        inside = [image[mask] for image, mask in zip(images, masks, strict=True)]
        values = np.concatenate(inside)
        self.level_ = np.array([values.mean() if values.size else 60.0]) + self.floor
        self.operating_point_ = OperatingPoint(threshold=0.4)
        progress(1, 1, "done")

    def _predict_proba(self, image):
        low, high = self.span
        relative = image.astype(np.float32) / np.float32(self.level_[0])
        return np.clip((high - relative) / (high - low), 0, 1).astype(np.float32)


class Stateless(Segmenter):
    """A correct method with nothing to learn and no parameters."""

    tags = Tags(exportable=False, export_reason="it is a toy")

    def _predict_proba(self, image):
        return (image < 80).astype(np.float32)


class InitStoresParameters(Darkness):
    def __init__(self, *, span=(0.5, 2.0), floor=1):
        super().__init__(span=span, floor=floor)
        self.width = 1.5


class GetAndSetParams(Darkness):
    def set_params(self, **params):
        for name, value in params.items():
            setattr(self, name, value)
        return self


class Clone(Darkness):
    def __init__(self, *, span=(0.5, 2.0), floor=1):
        super().__init__(span=span, floor=floor)
        self.level_ = np.array([60.0])


class SklearnClone(Darkness):
    def __init__(self, *, span=(0.5, 2.0), floor=1):
        self.span = span
        self.floor = floor

    def get_params(self, deep=True):
        return {"span": list(self.span), "floor": self.floor}


class TagsTwin(Darkness):
    tags = Tags(requires_fit=True, exportable=False)


class NeedsFitUndeclared(Darkness):
    tags = Tags(exportable=False, export_reason="it is a toy")


class PredictsUnfitted(Darkness):
    def predict_proba(self, image):
        return np.zeros(image.shape, np.float32)


class FitReturnsSelf(Darkness):
    def fit(self, images, masks, **options):
        super().fit(images, masks, **options)


class FitKeepsInputs(Darkness):
    def _fit(self, images, masks, **options):
        super()._fit(images, masks, **options)
        images[2][0, 0] ^= 1


class FitKeepsParameters(Darkness):
    def _fit(self, images, masks, **options):
        super()._fit(images, masks, **options)
        self.floor = 2


class FitTakesGroupsAndValidation(Darkness):
    def _fit(self, images, masks, *, groups, validation, progress):
        if groups is not None:
            groups.sort()
        super()._fit(images, masks, groups=groups, validation=validation, progress=progress)


class FitWithoutLesions(Darkness):
    def _fit(self, images, masks, **options):
        super()._fit(images, masks, **options)
        if not any(mask.any() for mask in masks):
            raise IndexError("index 0 is out of bounds")


class FitSingleImage(Darkness):
    def _fit(self, images, masks, **options):
        super()._fit(images, masks, **options)
        self.spread_ = 1 / (len(images) - 1)


class FitRefusesBadSets(Darkness):
    def fit(self, images, masks, *, groups=None, validation=None, progress=None):
        self._fit(images, masks, groups=groups, validation=validation, progress=progress or print)
        return self


class FitRepeats(Darkness):
    def _fit(self, images, masks, **options):
        super()._fit(images, masks, **options)
        self.level_ = self._kept = self.level_ + vars(self).get("_kept", 0) / 2


class RemembersLesions(Darkness):
    def _fit(self, images, masks, **options):
        super()._fit(images, masks, **options)
        if not any(mask.any() for mask in masks):
            self.level_ = vars(self).get("_kept", self.level_)
        self._kept = self.level_


class LosesWhatItLearned(Darkness):
    def fit(self, images, masks, **options):
        if any(np.asarray(mask).any() for mask in masks):
            return super().fit(images, masks, **options)
        self.level_ = np.array([1.0])
        raise ValueError("`masks` must hold a lesion")


class FitReportsProgressInRange(Darkness):
    def _fit(self, images, masks, *, groups, validation, progress):
        super()._fit(images, masks, groups=groups, validation=validation, progress=progress)
        progress(len(images) + 1, len(images), "one too many")


class IsQuiet(Darkness):
    def _fit(self, images, masks, **options):
        super()._fit(images, masks, **options)
        print("epoch 1")


class LeavesGlobalRandomnessAlone(Darkness):
    def _fit(self, images, masks, **options):
        np.random.random()
        super()._fit(images, masks, **options)


class KeepsTheWorkingFolder(Darkness):
    def _fit(self, images, masks, **options):
        super()._fit(images, masks, **options)
        os.chdir(os.sep)


class Deepcopy(Darkness):
    def __deepcopy__(self, memo):
        return type(self)(span=self.span, floor=self.floor)


class Probability(Darkness):
    def predict_proba(self, image):
        return super().predict_proba(image).astype(np.float64)


class OutOfRange(Darkness):
    def predict_proba(self, image):
        return super().predict_proba(image) * np.float32(1.5)


class WrongSize(Darkness):
    def _predict_proba(self, image):
        return super()._predict_proba(image)[: max(1, image.shape[0] // 2 * 2), :]


class KeepsItsAnswer(Darkness):
    def _predict_proba(self, image):
        answers = self.__dict__.setdefault("_answers", {})
        key = (image.shape, image.tobytes())
        if key not in answers:
            answers[key] = super()._predict_proba(image)
        return answers[key]


class MaskOfInts(Darkness):
    def predict(self, image):
        return super().predict(image).astype(np.uint8)


class NotRepeatable(Darkness):
    def _fit(self, images, masks, **options):
        super()._fit(images, masks, **options)
        self.level_ = self.level_ + np.random.default_rng().random()


class SavesTheTime(Darkness):
    def _fit(self, images, masks, **options):
        super()._fit(images, masks, **options)
        self.saved_ = 0

    def save(self, path):
        self.saved_ += 1
        super().save(path)


class Mask(Darkness):
    def _mask(self, probability):
        return probability > 0.7


class PredictKeepsImage(Darkness):
    def _predict_proba(self, image):
        probability = super()._predict_proba(image)
        image[0, 0] = 0
        return probability


class PredictRepeats(Darkness):
    def _predict_proba(self, image):
        previous, self._previous = getattr(self, "_previous", 0), int(image.mean())
        return super()._predict_proba(image) * np.float32(1 - previous / 512)


class PredictRefusesBadImages(Darkness):
    def predict_proba(self, image):
        return self._predict_proba(np.asarray(image))


class MemoryLayout(Darkness):
    def _predict_proba(self, image):
        return super()._predict_proba(image.ravel(order="K").reshape(image.shape))


class Threads(Darkness):
    def _predict_proba(self, image):
        self._image = image
        time.sleep(0.002)
        return super()._predict_proba(self._image)


class SaveAndLoad(Darkness):
    def _state(self):
        return {name: value for name, value in super()._state().items() if name != "operating_point_"}


class SaveKeepsParameters(Darkness):
    @classmethod
    def load(cls, path):
        model = super().load(path)
        return model.set_params(span=list(model.span))


class SavedBytes(Darkness):
    def save(self, path):
        Path(path).write_bytes(pickle.dumps(self))

    @classmethod
    def load(cls, path):
        return pickle.loads(Path(path).read_bytes())


class LoadRefusesOtherFiles(Darkness):
    @classmethod
    def load(cls, path):
        model = cls()
        with zipfile.ZipFile(path) as archive:
            model._header = json.loads(archive.read("model.json"))
        model.level_ = np.array([60.0])
        return model


class ExportReason(Darkness):
    def to_onnx(self, path, **metadata):
        Path(path).touch()
        super().to_onnx(path)


class OnnxExport(Darkness):
    tags = Tags(requires_fit=True, exportable=True)

    def to_onnx(self, path, **metadata):
        return None


TWINS = [
    ("init_stores_parameters", InitStoresParameters, "it also sets width"),
    ("get_and_set_params", GetAndSetParams, "must raise ValueError, got no error"),
    ("tags", TagsTwin, "export_reason"),
    ("requires_fit_as_declared", NeedsFitUndeclared, "no attribute 'level_'"),
    ("requires_fit_as_declared", PredictsUnfitted, "before fit must raise NotFittedError, got no error"),
    ("fit_returns_self", FitReturnsSelf, "must return self, got None"),
    ("fit_keeps_inputs", FitKeepsInputs, "image 2 changed"),
    ("fit_keeps_parameters", FitKeepsParameters, "must keep parameter `floor` = 1, got 2"),
    ("fit_takes_groups_and_validation", FitTakesGroupsAndValidation, "not supported between"),
    ("fit_without_lesions", FitWithoutLesions, "index 0 is out of bounds"),
    ("fit_single_image", FitSingleImage, "division by zero"),
    ("fit_refuses_bad_sets", FitRefusesBadSets, "fit with bad `images` must"),
    ("fit_repeats", FitRepeats, "must forget what an earlier fit learned"),
    ("fit_repeats", RemembersLesions, "fit without lesions must forget"),
    ("fit_repeats", LosesWhatItLearned, "a refused fit must keep"),
    ("fit_repeats", NotRepeatable, "the same fit twice"),
    ("fit_reports_progress_in_range", FitReportsProgressInRange, "got 7 of 6"),
    ("is_quiet", IsQuiet, "must not print, got 'epoch 1'"),
    ("leaves_global_randomness_alone", LeavesGlobalRandomnessAlone, "global random state"),
    ("keeps_the_working_folder", KeepsTheWorkingFolder, "must not change the working folder"),
    ("clone", Clone, "must be unfitted, it has level_"),
    ("sklearn_clone", SklearnClone, "Cannot clone object"),
    ("deepcopy", Deepcopy, "must be fitted"),
    ("probability", Probability, "must be float32, got float64"),
    ("probability", OutOfRange, "must lie in"),
    ("probability", WrongSize, "must return an array of the image's shape"),
    ("mask", Mask, "at the current operating point"),
    ("mask", MaskOfInts, "must give bool, got uint8"),
    ("predict_keeps_image", PredictKeepsImage, "must not write into its"),
    ("predict_repeats", PredictRepeats, "must give the same map"),
    ("predict_repeats", KeepsItsAnswer, "must give the same map"),
    ("predict_refuses_bad_images", PredictRefusesBadImages, "of a float image must raise ValueError"),
    ("memory_layout", MemoryLayout, "an array in Fortran order"),
    ("threads", Threads, "shape"),
    ("save_and_load", SaveAndLoad, "operating point|must agree"),
    ("save_keeps_parameters", SaveKeepsParameters, "must keep parameter `span`"),
    ("saved_bytes", SavedBytes, "must hold no pickle"),
    ("saved_bytes", SavesTheTime, "must give the same bytes"),
    ("load_refuses_other_files", LoadRefusesOtherFiles, "load of another class's file must raise"),
    ("export_reason", ExportReason, "must write nothing"),
    ("onnx_export", OnnxExport, "must write the file"),
]
