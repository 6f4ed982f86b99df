"""Commands of the VQA model beside `vqa ask`."""
